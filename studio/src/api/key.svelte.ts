/** The API key, where the server asks for one: kept for the tab's life, no longer. */
const storage = 'posttrain-key'

let value = $state(sessionStorage.getItem(storage) ?? '')
let asked = $state(false)

export const key = {
  /** Whether the server has refused a call for want of a (right) key. */
  get asked(): boolean { return asked },
  header(): Readonly<Record<string, string>> {
    return value === '' ? {} : { authorization: `Bearer ${value}` }
  },
  ask(): void { asked = true },
  accepted(): void { if (asked) asked = false },
  set(text: string): void {
    value = text.trim()
    asked = false
    sessionStorage.setItem(storage, value)
  },
}
