/** Single keys that do something in a view. */

export interface Shortcut<Action extends string> {
  readonly key: string
  readonly action: Action
  /** For the list of keys. */
  readonly does: string
}

/** What of a key press is looked at. */
export interface Press {
  readonly key: string
  readonly ctrlKey: boolean
  readonly metaKey: boolean
  readonly altKey: boolean
  readonly defaultPrevented: boolean
  readonly target: unknown
}

/** What a key press asks for; nothing where somebody writes, or where the key belongs to the browser or to what has the focus. */
export function shortcutFor<Action extends string>(
  { key, ctrlKey, metaKey, altKey, defaultPrevented, target }: Press, shortcuts: readonly Shortcut<Action>[],
): Action | undefined {
  if (ctrlKey || metaKey || altKey || defaultPrevented || isTypedInto(target) || (key === 'Enter' && takesEnter(target))) return undefined
  return shortcuts.find((shortcut) => shortcut.key === key)?.action
}

type Target = Partial<HTMLInputElement>

/** Whether letters belong to the element: whoever writes an "x" means no row. */
function isTypedInto(target: unknown): boolean {
  const { tagName = '', isContentEditable = false, type = '' } = target as Target
  return isContentEditable || tagName === 'TEXTAREA' || tagName === 'SELECT' || (tagName === 'INPUT' && type !== 'checkbox')
}

/** Enter on a link or a button is that one's own. */
function takesEnter(target: unknown): boolean {
  return ['A', 'BUTTON', 'SUMMARY', 'INPUT'].includes((target as Target).tagName ?? '')
}
