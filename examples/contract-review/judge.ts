/**
 * The reward of a review, from 0 to 1: a tenth each for JSON and for exactly the four keys, a fifth for each right value.
 * `allRight` is the strict measure: 1 if everything is right, else 0.
 */
import type { Review } from './clauses.ts'

const keys = ['clause', 'party', 'days', 'risk'] as const

interface Sample {
  readonly output_text: string
}

export default function reward({ output_text: output }: Sample, item: Review): number {
  const review = parse(output)
  if (review === undefined) return 0
  const exactKeys = Object.keys(review).length === keys.length && keys.every(key => key in review)
  const right = keys.filter(key => review[key] === item[key]).length
  return (1 + Number(exactKeys) + 2 * right) / 10
}

export function allRight(sample: Sample, item: Review): number {
  return Number(reward(sample, item) === 1)
}

/** The answer as a JSON object; nothing but white space may stand around it. */
function parse(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined
  } catch {
    return undefined
  }
}
