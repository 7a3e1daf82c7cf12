/**
 * Calls `expire` when the time is over, but reads first what has come by then: a model that runs in this thread blocks it,
 * and afterwards a timer is due before the answers that arrived in time. Returns the function that calls it off.
 */
export function startTimeLimit(milliseconds: number, expire: () => void): () => void {
  let lastLook: NodeJS.Immediate | undefined
  const timer = setTimeout(() => { lastLook = setImmediate(expire) }, milliseconds)
  return () => {
    clearTimeout(timer)
    clearImmediate(lastLook)
  }
}
