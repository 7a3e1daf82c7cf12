/** Edits that wait to be saved as a version: by the position of their row. Pure, and small enough for the browser's storage. */

export type Split = 'train' | 'eval'

export interface Edit {
  /** What the row says instead, its label included. */
  readonly row?: Readonly<Record<string, unknown>>
  /** The thumb; only where the row itself is as it was. */
  readonly label?: boolean
  readonly split?: Split
  readonly remove?: true
}

export type Edits = Readonly<Record<number, Edit>>

/** A row as the version has it. */
export interface Original {
  readonly position: number
  readonly split: Split
  /** null: deleted with the data of its user. */
  readonly row: unknown
}

/** A row with what is to become of it. */
export interface Edited {
  readonly row: Readonly<Record<string, unknown>>
  readonly split: Split
  readonly removed: boolean
}

/** @returns the row as it would be saved; undefined where it was deleted */
export function editedRow({ row, split }: Original, { row: rewritten, label, split: moved, remove }: Edit = {}): Edited | undefined {
  if (row === null) return undefined
  const now = rewritten ?? row as Record<string, unknown>
  return { row: label === undefined ? now : { ...now, label }, split: moved ?? split, removed: remove === true }
}

export function rewrite(edits: Edits, of: Original, row: Readonly<Record<string, unknown>>): Edits {
  const { label: _, ...rest } = edits[of.position] ?? {}
  return same(row, of.row) ? put(edits, of, { ...rest, row: undefined }) : put(edits, of, { ...rest, row })
}

export function relabel(edits: Edits, of: Original, label: boolean): Edits {
  const edit = edits[of.position] ?? {}
  if (edit.row !== undefined) return rewrite(edits, of, { ...edit.row, label })
  return put(edits, of, { ...edit, label: (of.row as { readonly label?: unknown } | null)?.label === label ? undefined : label })
}

export function move(edits: Edits, of: Original, split: Split): Edits {
  return put(edits, of, { ...edits[of.position], split: split === of.split ? undefined : split })
}

/** Drops a row, or takes it back. */
export function toggleRemoved(edits: Edits, of: Original): Edits {
  const edit = edits[of.position]
  return put(edits, of, { ...edit, remove: edit?.remove === true ? undefined : true })
}

/** Chosen becomes rejected, and the other way round. */
export function swapSides(edits: Edits, of: Original): Edits {
  const { row } = editedRow(of, edits[of.position])!
  return rewrite(edits, of, { ...row, chosen: row['rejected'], rejected: row['chosen'] })
}

export function undo(edits: Edits, position: number): Edits {
  return Object.fromEntries(Object.entries(edits).filter(([key]) => Number(key) !== position))
}

type Draft = { readonly [Key in keyof Edit]: Edit[Key] | undefined }

/** An edit without what is undefined; none where nothing is left of it. */
function put(edits: Edits, { position }: Original, draft: Draft): Edits {
  const edit = Object.fromEntries(Object.entries(draft).filter(([, value]) => value !== undefined)) as Edit
  return Object.keys(edit).length === 0 ? undo(edits, position) : { ...edits, [position]: edit }
}

/** Whether two values say the same: what was never touched may have its keys in another order. */
export function same(a: unknown, b: unknown): boolean {
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return a === b
  const [keysA, keysB] = [Object.keys(a), Object.keys(b)]
  return keysA.length === keysB.length && Array.isArray(a) === Array.isArray(b)
    && keysA.every((key) => Object.hasOwn(b, key) && same(a[key as keyof typeof a], b[key as keyof typeof b]))
}

export function countEdits(edits: Edits): number {
  return Object.keys(edits).length
}

/** "2 rewritten, 1 dropped"; a row of which several things change is counted by the first of them. */
export function describeEdits(edits: Edits): string {
  const words = Object.values(edits).map(({ remove, row, label }) =>
    (remove === true ? 'dropped' : row !== undefined ? 'rewritten' : label !== undefined ? 'relabelled' : 'moved'))
  return ['rewritten', 'relabelled', 'moved', 'dropped'].flatMap((word) => {
    const count = words.filter((each) => each === word).length
    return count === 0 ? [] : [`${count} ${word}`]
  }).join(', ')
}

/** The body of `POST …/edits`. */
export function changesOf(edits: Edits): readonly object[] {
  return Object.entries(edits).map(([position, { remove, ...edit }]) =>
    (remove === true ? { position: Number(position), remove } : { position: Number(position), ...edit }))
}

/** Reads what `JSON.stringify` kept of edits; nothing where it is something else. */
export function parseEdits(text: string | null): Edits {
  try {
    const value: unknown = JSON.parse(text ?? '{}')
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value as Edits : {}
  } catch {
    return {}
  }
}
