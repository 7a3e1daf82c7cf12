/** Judging by keyboard: which key does what. */
export type Action = 'next' | 'previous' | 'open' | 'up' | 'down' | 'correct' | 'comment' | 'select' | 'selectRange' | 'search' | 'help' | 'back'

interface Shortcut {
  readonly key: string
  readonly action: Action
  readonly does: string
}

export const shortcuts: readonly Shortcut[] = [
  { key: 'j', action: 'next', does: 'the next answer' },
  { key: 'k', action: 'previous', does: 'the one before' },
  { key: 'Enter', action: 'open', does: 'read its conversation' },
  { key: 'u', action: 'up', does: 'thumb up; again: take it back' },
  { key: 'd', action: 'down', does: 'thumb down; again: take it back' },
  { key: 'c', action: 'correct', does: 'write what the answer should have been' },
  { key: 'm', action: 'comment', does: 'comment' },
  { key: 'x', action: 'select', does: 'select it, for u, d and m on many at once' },
  { key: 'X', action: 'selectRange', does: 'select all from the last selected one to here (Shift+x)' },
  { key: '/', action: 'search', does: 'search' },
  { key: 'Escape', action: 'back', does: 'select nothing; leave a conversation' },
  { key: '?', action: 'help', does: 'show these keys' },
]

interface Pressed {
  readonly key: string
  readonly ctrlKey: boolean
  readonly metaKey: boolean
  readonly altKey: boolean
  readonly defaultPrevented: boolean
  readonly target: unknown
}

/** What a pressed key asks for; nothing where somebody writes, or where the key belongs to what has the focus. */
export function actionOf({ key, ctrlKey, metaKey, altKey, defaultPrevented, target }: Pressed): Action | undefined {
  if (ctrlKey || metaKey || altKey || defaultPrevented) return undefined
  const { tagName = '', isContentEditable = false, type = '' } = target as Partial<HTMLInputElement>
  if (isContentEditable || tagName === 'TEXTAREA' || tagName === 'SELECT' || (tagName === 'INPUT' && type !== 'checkbox')) return undefined
  const action = shortcuts.find((shortcut) => shortcut.key === key)?.action
  // Enter on a link or a button is that one's own.
  return action === 'open' && (tagName === 'A' || tagName === 'BUTTON' || tagName === 'SUMMARY' || tagName === 'INPUT') ? undefined : action
}
