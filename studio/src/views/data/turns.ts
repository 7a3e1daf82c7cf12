/** The parts of a row that can be edited, by their fields. */

export interface Turn {
  readonly role: string
  readonly content: string
  readonly name?: string
  /** 0: the turn carries no loss. */
  readonly weight?: 0 | 1
}

export type Turns = string | readonly Turn[]

/** The fields that are turns, in the order in which they are shown. */
const turnFields = ['messages', 'prompt', 'completion', 'chosen', 'rejected'] as const
type TurnField = (typeof turnFields)[number]

export const fieldWords: Readonly<Record<TurnField, string>> = {
  messages: 'Conversation', prompt: 'Prompt', completion: 'Answer', chosen: 'Chosen', rejected: 'Rejected',
}

/** A row, taken apart for a form. */
export interface RowDraft {
  readonly turns: readonly { readonly field: TurnField; readonly value: Turns }[]
  /** The thumb, where the row has one. */
  readonly label: boolean | undefined
  /** All other fields, as JSON; undefined: there are none. */
  readonly rest: string | undefined
}

export function draftOf(row: Readonly<Record<string, unknown>>): RowDraft {
  const turns = turnFields.flatMap((field) => (field in row ? [{ field, value: row[field] as Turns }] : []))
  const { label } = row
  const rest = Object.entries(row).filter(([key]) => !(turnFields as readonly string[]).includes(key) && key !== 'label')
  return {
    turns,
    label: typeof label === 'boolean' ? label : undefined,
    rest: rest.length === 0 ? undefined : JSON.stringify(Object.fromEntries(rest), null, 2),
  }
}

/** The row that a form makes. @throws Error where the other fields are no JSON object */
export function rowOfDraft({ turns, label, rest }: RowDraft): Record<string, unknown> {
  return {
    ...Object.fromEntries(turns.map(({ field, value }) => [field, value])),
    ...(label === undefined ? {} : { label }),
    ...(rest === undefined ? {} : fieldsIn(rest)),
  }
}

function fieldsIn(text: string): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(text.trim() === '' ? '{}' : text)
  } catch (error) {
    throw new Error(`The other fields are not valid JSON: ${(error as Error).message}`, { cause: error })
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('The other fields must be a JSON object: {"name": value}')
  return value as Record<string, unknown>
}

/** Turns of which one is changed; what becomes undefined is left out. */
export function withTurn(turns: Turns, index: number, change: { readonly [Key in keyof Turn]?: Turn[Key] | string | undefined }): Turns {
  if (typeof turns === 'string') return turns
  const changed = Object.fromEntries(Object.entries({ ...turns[index], ...change }).filter(([, value]) => value !== undefined)) as unknown as Turn
  return turns.with(index, changed)
}
