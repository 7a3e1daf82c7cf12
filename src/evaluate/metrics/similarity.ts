import { countNgrams, countShared, f1, longestCommonSubsequence, translationTokens, wordTokens } from './tokens.ts'

/** How alike an output and its reference are, from 0 to 1. */
export type Similarity = (output: string, reference: string) => number

/** Longest n-gram of BLEU and GLEU. */
const ORDER = 4

/** Normalized indel similarity, rapidfuzz's `ratio`: twice the common subsequence's characters over those of both. */
export function fuzzyMatch(output: string, reference: string): number {
  const a = [...output]
  const b = [...reference]
  return a.length + b.length === 0 ? 1 : f1(longestCommonSubsequence(a, b), a.length, b.length)
}

/**
 * Sentence BLEU (Papineni et al. 2002) as sacrebleu's `sentence_bleu` has it: tokens of mteval-v13a, no orders that are
 * longer than the output, an order without a match taken as 1/2, then 1/4 ... of one (Chen and Cherry 2014, method 3).
 */
export function bleu(output: string, reference: string): number {
  const found = translationTokens(output)
  const wanted = translationTokens(reference)
  if (found.length === 0) return 0
  const orders = Array.from({ length: Math.min(ORDER, found.length) }, (_, i) => ({
    shared: countShared(countNgrams(found, i + 1), countNgrams(wanted, i + 1)),
    total: found.length - i,
  }))
  if (orders.every(({ shared }) => shared === 0)) return 0
  let smoothing = 1
  let logPrecisions = 0
  for (const { shared, total } of orders) {
    if (shared === 0) smoothing /= 2
    logPrecisions += Math.log((shared === 0 ? smoothing : shared) / total)
  }
  const brevity = found.length < wanted.length ? Math.exp(1 - wanted.length / found.length) : 1
  return brevity * Math.exp(logPrecisions / orders.length)
}

/** Google BLEU (Wu et al. 2016, section 6): of all n-grams up to four tokens, the smaller of precision and recall. */
export function gleu(output: string, reference: string): number {
  const found = translationTokens(output)
  const wanted = translationTokens(reference)
  let shared = 0
  for (let size = 1; size <= ORDER; size++) shared += countShared(countNgrams(found, size), countNgrams(wanted, size))
  const most = Math.max(ngramsIn(found), ngramsIn(wanted))
  return most === 0 ? 0 : shared / most
}

function ngramsIn({ length }: readonly string[]): number {
  let total = 0
  for (let size = 1; size <= ORDER; size++) total += Math.max(0, length - size + 1)
  return total
}

/** ROUGE-N (Lin 2004), the F1 of precision and recall. */
export function rougeN(size: number): Similarity {
  return (output, reference) => {
    const found = wordTokens(output)
    const wanted = wordTokens(reference)
    const shared = countShared(countNgrams(found, size), countNgrams(wanted, size))
    return f1(shared, Math.max(0, found.length - size + 1), Math.max(0, wanted.length - size + 1))
  }
}

/** ROUGE-L (Lin 2004), the F1 over the longest common subsequence of the whole texts. */
export function rougeL(output: string, reference: string): number {
  const found = wordTokens(output)
  const wanted = wordTokens(reference)
  return f1(longestCommonSubsequence(found, wanted), found.length, wanted.length)
}

/** Cosine of the angle between two vectors; 0 where one has no length. */
export function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let dot = 0
  let squaresA = 0
  let squaresB = 0
  for (let i = 0; i < a.length; i++) {
    dot += a[i]! * b[i]!
    squaresA += a[i]! ** 2
    squaresB += b[i]! ** 2
  }
  const norm = Math.sqrt(squaresA * squaresB)
  return norm === 0 ? 0 : dot / norm
}
