/** Labelling by keyboard: which key does what. */
import type { DatasetKind } from '../../../../src/feedback/dataset-spec.ts'
import type { Shortcut } from '../../shortcuts.ts'

export type Action = 'next' | 'previous' | 'edit' | 'up' | 'down' | 'swap' | 'drop' | 'move' | 'undo' | 'search' | 'help'

interface RowShortcut extends Shortcut<Action> {
  /** The rows for which it means something; all unless said. */
  readonly kinds?: readonly DatasetKind[]
}

const shortcuts: readonly RowShortcut[] = [
  { key: 'j', action: 'next', does: 'next row' },
  { key: 'k', action: 'previous', does: 'previous row' },
  { key: 'u', action: 'up', does: 'thumb up, and on to the next row', kinds: ['labelled'] },
  { key: 'd', action: 'down', does: 'thumb down, and on to the next row', kinds: ['labelled'] },
  { key: 's', action: 'swap', does: 'swap the chosen and the rejected answer', kinds: ['pairs'] },
  { key: 'e', action: 'edit', does: 'edit the row' },
  { key: 'x', action: 'drop', does: 'drop the row, or take it back' },
  { key: 'h', action: 'move', does: 'hold the row out, or train on it' },
  { key: 'z', action: 'undo', does: 'undo the changes of the row' },
  { key: '/', action: 'search', does: 'search' },
  { key: '?', action: 'help', does: 'show these keys' },
]

export function shortcutsFor(kind: DatasetKind): readonly RowShortcut[] {
  return shortcuts.filter(({ kinds }) => kinds === undefined || kinds.includes(kind))
}

/** The row to go to from `current`, in the order of the page; undefined: there is none in that direction. */
export function neighbour(positions: readonly number[], current: number | undefined, step: 1 | -1): number | undefined {
  const at = current === undefined ? -1 : positions.indexOf(current)
  if (at === -1) return step === 1 ? positions[0] : positions.at(-1)
  return positions[at + step]
}
