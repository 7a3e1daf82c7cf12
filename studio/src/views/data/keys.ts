/** Labelling by keyboard: which key does what. */
import type { DatasetKind } from '../../../../src/feedback/dataset-spec.ts'

export type Action = 'next' | 'previous' | 'edit' | 'up' | 'down' | 'swap' | 'drop' | 'move' | 'undo' | 'search' | 'help'

interface Shortcut {
  readonly key: string
  readonly action: Action
  readonly does: string
  /** The rows for which it means something; all unless said. */
  readonly kinds?: readonly DatasetKind[]
}

export const shortcuts: readonly Shortcut[] = [
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

export function shortcutsFor(kind: DatasetKind): readonly Shortcut[] {
  return shortcuts.filter(({ kinds }) => kinds === undefined || kinds.includes(kind))
}

/** What of a key press is looked at. */
export interface Press {
  readonly key: string
  readonly ctrlKey: boolean
  readonly metaKey: boolean
  readonly altKey: boolean
}

/** What a key press asks for; undefined while something is typed or a dialog is open, and for keys of the browser. */
export function actionOf({ key, ctrlKey, metaKey, altKey }: Press, kind: DatasetKind, { typing }: { readonly typing: boolean }): Action | undefined {
  if (typing || ctrlKey || metaKey || altKey) return undefined
  return shortcutsFor(kind).find((shortcut) => shortcut.key === key)?.action
}

/** Whether keys belong to the element: whoever writes an "x" means no row. */
export function isTypedInto(target: { readonly tagName?: string; readonly isContentEditable?: boolean } | null): boolean {
  return target?.isContentEditable === true || ['INPUT', 'TEXTAREA', 'SELECT'].includes(target?.tagName ?? '')
}

/** The row to go to from `current`, in the order of the page; undefined: there is none in that direction. */
export function neighbour(positions: readonly number[], current: number | undefined, step: 1 | -1): number | undefined {
  const at = current === undefined ? -1 : positions.indexOf(current)
  if (at === -1) return step === 1 ? positions[0] : positions.at(-1)
  return positions[at + step]
}
