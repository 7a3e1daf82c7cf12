/** Graders to begin with. */

export interface ReadyGrader {
  readonly key: string
  readonly title: string
  /** When to take it. */
  readonly use: string
  /** undefined: the server's own choice. */
  readonly grader?: Readonly<Record<string, unknown>>
}

const answer = '{{sample.output_text}}'
const reference = '{{item.reference}}'
const likeness = { type: 'text_similarity', name: 'likeness', input: answer, reference, evaluation_metric: 'rouge_l' }
const brevity = { type: 'length', name: 'brevity', unit: 'words', max: 60 }

/** `{{item.reference}}` is the answer that the row has; rows for reinforcement are read by the names of their own fields. */
export const readyGraders: readonly ReadyGrader[] = [
  { key: 'reference', title: 'Like the answer in the row', use: 'How much of the row’s own answer is found again, in its order (ROUGE-L, 0 to 1). For rows with good answers.' },
  {
    key: 'equal', title: 'Equal to the answer in the row', use: '1 or 0. For classes, codes and other short answers.',
    grader: { type: 'string_check', name: 'equal', input: answer, reference, operation: 'eq' },
  },
  {
    key: 'number', title: 'The right number', use: 'The last number of the answer is the one of the row. For calculations; put the name of your rows’ field in place of “answer”.',
    grader: { type: 'number', name: 'number', reference: '{{item.answer}}' },
  },
  {
    key: 'json', title: 'JSON of the right form', use: 'The answer is JSON that the schema allows, with credit for parts. Put your own schema in.',
    grader: { type: 'json_schema', name: 'form', partial: true, schema: { type: 'object', required: ['city'], properties: { city: { type: 'string' } } } },
  },
  { key: 'short', title: 'Short', use: '1 up to 60 words, less beyond.', grader: brevity },
  {
    key: 'several', title: 'Several, weighted', use: 'A formula over graders; each is shown as a component of its own.',
    grader: { type: 'multi', name: 'both', calculate_output: '0.8 * likeness + 0.2 * brevity', graders: { likeness, brevity } },
  },
]

export type GraderText = { readonly grader: unknown } | { readonly fault: string }

/** A grader's JSON as it was typed. */
export function readGrader(text: string): GraderText {
  try {
    const grader = JSON.parse(text) as unknown
    if (typeof grader === 'object' && grader !== null && !Array.isArray(grader) && 'type' in grader) return { grader }
    return { fault: 'A grader is an object with a type, for example {"type": "string_check", …}' }
  } catch (error) {
    return { fault: `This is no JSON: ${(error as Error).message}` }
  }
}
