import { setImmediate } from 'node:timers/promises'

/** Milliseconds of work between two breaths of the event loop: streams beside it go on. */
const breath = 10

/** Long work awaits this often; it lets other work run when it has gone on for a while. */
export function breathing(): () => Promise<void> {
  let since = performance.now()
  return async () => {
    if (performance.now() - since < breath) return
    await setImmediate()
    since = performance.now()
  }
}

/** As `Map.groupBy`, in breaths. */
export async function groupByBreathing<Item, Key>(items: Iterable<Item>, keyOf: (item: Item) => Key): Promise<Map<Key, Item[]>> {
  const groups = new Map<Key, Item[]>()
  const pause = breathing()
  for (const item of items) {
    await pause()
    const key = keyOf(item)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [item])
    else group.push(item)
  }
  return groups
}
