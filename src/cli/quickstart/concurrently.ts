/** Does `work` for every item, at most `width` at once. @returns the results in the items' order; rejects with the first failure */
export async function concurrently<Item, Result>(
  items: readonly Item[], width: number, work: (item: Item, index: number) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = []
  const queue = items.entries()
  const worker = async (): Promise<void> => {
    // One iterator, of which all workers take.
    for (const [index, item] of queue) results[index] = await work(item, index)
  }
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, worker))
  return results
}
