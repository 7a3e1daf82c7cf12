/** Evaluations as clients read them. */
import type { EvaluationResult } from '../../evaluate/evaluation.ts'
import type { ItemComparison } from '../../evaluate/evaluation-summary.ts'
import { describeGrader } from '../../evaluate/graders/describe.ts'
import type { ComparedItem, EvaluationItem, ItemPage } from '../../registry/evaluation-items.ts'
import type { EvaluationOf, Suite } from '../../registry/evaluations.ts'
import type {
  WireAnswer, WireEvaluation, WireEvaluationComparison, WireEvaluationItem, WireEvaluationItems, WireEvaluationResult, WireSuite,
} from './evaluations-wire.ts'

/** @param base the served base's name */
export function wireEvaluation({ evaluation, suite }: EvaluationOf, base: string): WireEvaluation {
  return {
    id: evaluation.id,
    object: 'evaluation',
    created_at: Math.floor(evaluation.created_at / 1000),
    finished_at: evaluation.finished_at === null ? null : Math.floor(evaluation.finished_at / 1000),
    status: evaluation.status,
    model: evaluation.adapter_id ?? evaluation.base ?? base,
    adapter: evaluation.adapter_id,
    suite: wireSuite(suite),
    job: evaluation.job_id,
    progress: { done: evaluation.done, total: evaluation.total },
    error: evaluation.error,
    result: evaluation.result_json === null ? null : wireResult(JSON.parse(evaluation.result_json) as EvaluationResult),
  }
}

export function wireSuite({ id, name, rows, grader_json, sampling_json, row_limit: limit }: Suite): WireSuite {
  const grader: unknown = JSON.parse(grader_json)
  return { id, name, rows, grader, measure: describeGrader(grader), sampling: JSON.parse(sampling_json) as WireSuite['sampling'], limit }
}

function wireResult({ preferenceAccuracy, ...result }: EvaluationResult): WireEvaluationResult {
  return { ...result, preference_accuracy: preferenceAccuracy }
}

export function wireComparison(before: WireEvaluation, after: WireEvaluation, { winRate, ...comparison }: ItemComparison): WireEvaluationComparison {
  return { object: 'evaluation.comparison', before, after, ...comparison, win_rate: winRate }
}

export function wireItem(item: EvaluationItem): WireEvaluationItem {
  const { position, reward, texts } = item
  return {
    object: 'evaluation.item', position, deleted: texts === null, prompt: texts?.prompt ?? [], reference: texts?.reference ?? null,
    answers: wireAnswers(item), reward,
  }
}

export function wireComparedItem({ before, after, change }: ComparedItem): WireEvaluationItem {
  return { ...wireItem(after), before: { answers: wireAnswers(before), reward: before.reward }, change }
}

export function wireItems<Item>({ items, hasMore, total }: ItemPage<Item>, wire: (item: Item) => WireEvaluationItem): WireEvaluationItems {
  const data = items.map(wire)
  return { object: 'list', data, has_more: hasMore, last_position: data.at(-1)?.position ?? null, total }
}

function wireAnswers({ grades, texts }: EvaluationItem): WireAnswer[] {
  return grades.map((grade, i) => ({ text: texts?.answers[i] ?? '', ...grade }))
}
