/**
 * Words as ROUGE counts them (Lin 2004, the rules of Google's rouge_score without a stemmer): runs of letters and
 * digits in lower case, everything else a separator. Letters of every script count, where rouge_score drops all but a-z.
 */
export function wordTokens(text: string): string[] {
  return text.toLowerCase().match(/[\p{L}\p{M}\p{N}]+/gu) ?? []
}

const entities: Readonly<Record<string, string>> = { '&quot;': '"', '&amp;': '&', '&lt;': '<', '&gt;': '>' }

/** Tokens as machine translation counts them: the rules of mteval-v13a, punctuation apart, case kept. */
export function translationTokens(text: string): string[] {
  const line = text.replaceAll('<skipped>', '').replaceAll('-\n', '').replaceAll('\n', ' ')
    .replaceAll(/&(?:quot|amp|lt|gt);/g, entity => entities[entity]!)
  return ` ${line} `
    .replaceAll(/[{-~[-` -&(-+:-@/]/g, ' $& ')
    .replaceAll(/([^0-9])([.,])/g, '$1 $2 ')
    .replaceAll(/([.,])([^0-9])/g, ' $1 $2')
    .replaceAll(/([0-9])(-)/g, '$1 $2 ')
    .split(/\s+/)
    .filter(token => token !== '')
}

/** How often each run of `size` tokens occurs. */
export function countNgrams(tokens: readonly string[], size: number): Map<string, number> {
  const counts = new Map<string, number>()
  for (let at = 0; at + size <= tokens.length; at++) {
    const ngram = tokens.slice(at, at + size).join('\u0000')
    counts.set(ngram, (counts.get(ngram) ?? 0) + 1)
  }
  return counts
}

/** How many n-grams two texts share, each counted as often as it occurs in both. */
export function countShared(a: ReadonlyMap<string, number>, b: ReadonlyMap<string, number>): number {
  let shared = 0
  for (const [ngram, count] of a) shared += Math.min(count, b.get(ngram) ?? 0)
  return shared
}

/**
 * Length of the longest sequence that is in both, not necessarily in one piece: bit-parallel (Hyyrö 2004), 32 elements of
 * `a` at a time, so that long texts take |a| |b| / 32 steps and memory only for |b|.
 */
export function longestCommonSubsequence<T>(a: readonly T[], b: readonly T[]): number {
  const carries = new Uint8Array(b.length)
  let length = 0
  for (let start = 0; start < a.length; start += 32) {
    const strip = a.slice(start, start + 32)
    const places = new Map<T, number>()
    for (const [bit, element] of strip.entries()) places.set(element, (places.get(element) ?? 0) | (1 << bit))
    let unmatched = 0xffffffff
    for (let j = 0; j < b.length; j++) {
      const matches = (unmatched & (places.get(b[j]!) ?? 0)) >>> 0
      const sum = unmatched + matches + carries[j]!
      carries[j] = Number(sum > 0xffffffff)
      unmatched = (sum | (unmatched & ~matches)) >>> 0
    }
    for (let bit = 0; bit < strip.length; bit++) length += 1 - ((unmatched >>> bit) & 1)
  }
  return length
}

/** The harmonic mean of precision and recall; 0 where nothing is shared. */
export function f1(shared: number, found: number, wanted: number): number {
  return shared === 0 ? 0 : (2 * shared) / (found + wanted)
}
