import type { WireAnswer, WireEvaluationItem } from '../../../../src/server/routes/evaluations-wire.ts'

export interface AnswerPair {
  readonly earlier: WireAnswer | undefined
  readonly later: WireAnswer | undefined
}

/**
 * The answers of two models side by side, those first that show best how the question's reward changed: sampled answers have no partners of
 * their own.
 */
export function pairAnswers({ before, answers, change }: Pick<WireEvaluationItem, 'before' | 'answers' | 'change'>): readonly AnswerPair[] {
  const direction = Math.sign(change ?? 0)
  const length = Math.max(before?.answers.length ?? 0, answers.length)
  const pairs = Array.from({ length }, (_, i): AnswerPair => ({ earlier: before?.answers[i], later: answers[i] }))
  return pairs.toSorted((a, b) => direction * (gain(b) - gain(a)))
}

function gain({ earlier, later }: AnswerPair): number {
  return (later?.reward ?? 0) - (earlier?.reward ?? 0)
}

/** "0.73"; a grader may have none. */
export function rewardText(reward: number | null): string {
  return reward === null ? 'none' : reward.toFixed(2)
}
