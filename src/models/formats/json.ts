/** The first key that an object of `text` has twice, with its escapes resolved. `text` is valid JSON. */
export function duplicateKey(text: string): string | undefined {
  const token = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}:]/gs
  const objects: Set<string>[] = []
  let lastString = ''
  for (const [found] of text.matchAll(token)) {
    if (found === '{') objects.push(new Set())
    else if (found === '}') objects.pop()
    else if (found !== ':') lastString = found
    else {
      const key = JSON.parse(lastString) as string
      const seen = objects.at(-1)!
      if (seen.has(key)) return key
      seen.add(key)
    }
  }
  return undefined
}

/** A JSON object, and nothing else that JSON can be. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
