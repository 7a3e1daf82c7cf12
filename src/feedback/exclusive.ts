import type { Store } from '../store/index.ts'

const turns = new WeakMap<Store, Promise<unknown>>()

/**
 * One after another for each store: a dataset that is being made holds texts in memory, and must not write back what a
 * deletion has just removed.
 */
export function exclusive<Result>(store: Store, work: () => Promise<Result>): Promise<Result> {
  const turn = (turns.get(store) ?? Promise.resolve()).then(work)
  turns.set(store, turn.catch(() => undefined))
  return turn
}
