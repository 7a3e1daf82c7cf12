import { SvelteSet } from 'svelte/reactivity'

/** Answers that are chosen, to say one thing of all of them. */
export class Selection {
  readonly ids = new SvelteSet<string>()
  #last: string | undefined

  toggle(id: string): void {
    if (!this.ids.delete(id)) this.ids.add(id)
    this.#last = id
  }

  /** All from the one that was toggled last to this one. @param order the list's */
  extend(order: readonly string[], id: string): void {
    for (const each of rangeOf(order, this.#last, id)) this.ids.add(each)
    this.#last = id
  }

  clear(): void {
    this.ids.clear()
    this.#last = undefined
  }
}

/** From one id to the other, both included, whichever comes first; the second alone where the first is not in the list. */
export function rangeOf(order: readonly string[], from: string | undefined, to: string): readonly string[] {
  const [a, b] = [from === undefined ? -1 : order.indexOf(from), order.indexOf(to)]
  if (a < 0 || b < 0) return [to]
  return order.slice(Math.min(a, b), Math.max(a, b) + 1)
}
