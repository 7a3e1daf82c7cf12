/** Light, dark, or as the system has it. Kept in the browser. */
export const themes = ['system', 'light', 'dark'] as const
export type Theme = (typeof themes)[number]

const storage = 'posttrain-theme'
const stored = localStorage.getItem(storage)

let current = $state<Theme>(themes.find((theme) => theme === stored) ?? 'system')
/** Counts changes of what is seen, so that what paints by itself (charts) paints again. */
let changes = $state(0)
apply()
for (const query of ['(prefers-color-scheme: dark)', '(forced-colors: active)']) matchMedia(query).addEventListener('change', () => { changes++ })

function apply(): void {
  if (current === 'system') delete document.documentElement.dataset['theme']
  else document.documentElement.dataset['theme'] = current
}

export const theme = {
  get current(): Theme { return current },
  get changes(): number { return changes },
  set(next: Theme): void {
    current = next
    changes++
    localStorage.setItem(storage, next)
    apply()
  },
}
