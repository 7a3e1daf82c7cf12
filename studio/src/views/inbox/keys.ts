/** Judging by keyboard: which key does what. */
import type { Shortcut } from '../../shortcuts.ts'

export type Action = 'next' | 'previous' | 'open' | 'up' | 'down' | 'correct' | 'comment' | 'select' | 'selectRange' | 'search' | 'help' | 'back'

export const shortcuts: readonly Shortcut<Action>[] = [
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
