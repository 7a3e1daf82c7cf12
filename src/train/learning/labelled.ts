import { packTrees } from '../../data/pack.ts'
import type { LabelRow } from '../../data/rows.ts'
import { answerTree, truncateTree, type RenderedTree } from '../../data/tree.ts'
import { packedForward } from '../../models/graph/forward.ts'
import type { Loss } from '../../methods/method.ts'
import type { HostTensor } from '../../runtime/program.ts'
import { input } from '../../tensor/tensor.ts'
import type { MicroBatch } from '../learner.ts'
import type { Policy } from '../policy.ts'
import type { RowSet } from '../training-data.ts'
import { heldOutLoss, heldOutTokens, type HeldOutStep } from './held-out.ts'
import { groupSums, membersInput, scalar, scalarInput, sequenceMembers, vector, type Learning, type LearningContext, type MethodFor } from './learning.ts'
import { PolicyForward } from './policy-forward.ts'
import { referenceSums } from './reference.ts'

/** Answers with their thumbs, and the reference's log-probability of each. */
export interface LabelledSet {
  readonly trees: readonly RenderedTree[]
  readonly labels: readonly boolean[]
  readonly reference: Float32Array
}

/**
 * Learning from single answers with a thumb up or down. Each step first measures how far the policy has moved on
 * answers that do not belong to their prompts (KTO's z): one forward pass under the policy, one under the reference.
 */
export async function labelledLearning(
  method: MethodFor<'labelled'>,
  settings: Record<string, unknown>,
  context: LearningContext<LabelRow>,
): Promise<Learning> {
  const { recipe, policy, placement, initial, data } = context
  const maxTokens = recipe.tokens_per_micro_batch
  const open = async (name: string, { trees, sources }: RowSet<LabelRow>): Promise<LabelledSet> => ({
    trees,
    labels: sources.map(({ row }) => row.label),
    reference: await referenceSums(context, name, trees),
  })
  const train = await open('train', data.rows)
  const heldOut = data.heldOut === undefined ? undefined : await open('eval', data.heldOut)
  const forward = await PolicyForward.compile(policy, placement)
  const loss = labelledLoss(method, settings, policy)
  /** z of the rows of a step. */
  const klOf = (set: LabelledSet, rows: readonly number[]): Promise<number> =>
    mismatchedKl(forward, mismatched(set.trees, rows, recipe.max_length), maxTokens, initial)
  return {
    loss,
    async next(nextRows) {
      const rows = nextRows()
      const kl = await klOf(train, rows)
      return { batches: labelledBatches(selected(train, rows), kl, maxTokens), metrics: { kl } }
    },
    evaluate() {
      const steps = heldOut === undefined ? [] : chunks(heldOut.trees.length, recipe.batch)
      return heldOutLoss(context, loss, steps.map((rows): HeldOutStep => ({
        rows: rows.length,
        batches: async () => labelledBatches(selected(heldOut!, rows), await klOf(heldOut!, rows), heldOutTokens),
      })))
    },
    release: () => forward.release(),
  }
}

export function labelledLoss(method: MethodFor<'labelled'>, settings: Record<string, unknown>, policy: Policy): Loss {
  const logprobs_N = packedForward(policy.config, policy.parts).logprobs()
  return method.loss({
    logprobs_R: groupSums(membersInput('members', 'R'), logprobs_N),
    reference_R: input('reference', 'float32', ['R']),
    label_R: input('label', 'float32', ['R']),
    kl: scalarInput('kl'),
    perRow: scalarInput('per_row'),
    perDesirable: scalarInput('per_desirable'),
    perUndesirable: scalarInput('per_undesirable'),
    settings,
  })
}

/** The micro-batches of one optimizer step. */
export function labelledBatches({ trees, labels, reference }: LabelledSet, kl: number, maxTokens?: number): MicroBatch[] {
  const up = labels.filter(Boolean).length
  const per = (count: number): HostTensor => scalar(count === 0 ? NaN : 1 / count)
  return packTrees(trees, maxTokens === undefined ? {} : { maxTokens }).map((batch) => ({
    batch,
    feeds: {
      members: sequenceMembers(batch),
      reference: vector(Float32Array.from(batch.trees, (row) => reference[row]!)),
      label: vector(Float32Array.from(batch.trees, (row) => (labels[row]! ? 1 : 0))),
      kl: scalar(kl),
      per_row: per(trees.length),
      per_desirable: per(up),
      per_undesirable: per(trees.length - up),
    },
  }))
}

/**
 * Each prompt of a step's rows with the answer of the row before it, the first with the last's. A row that an epoch leaves
 * alone in its step takes the answer of its neighbour in the file: with its own, z would be its own reward.
 */
export function mismatched(trees: readonly RenderedTree[], rows: readonly number[], maxLength: number): RenderedTree[] {
  return rows.map((row, i) => {
    const other = rows.length > 1 ? rows.at(i - 1)! : row - 1
    return truncateTree(answerTree(trees[row]!.stem.ids, [trees.at(other)!.branches[0]!.ids]), maxLength)
  })
}

/** max(0, mean of log π(y'|x) − log ref(y'|x)), nats. */
export async function mismatchedKl(
  forward: PolicyForward,
  trees: readonly RenderedTree[],
  maxTokens: number,
  initial: ReadonlyMap<string, Float32Array<ArrayBuffer>>,
): Promise<number> {
  const now = await forward.branchSums(trees, { maxTokens })
  const then = await forward.branchSums(trees, { maxTokens }, initial)
  const mean = now.reduce((sum, [logprob], row) => sum + logprob! - then[row]![0]!, 0) / trees.length
  return Math.max(0, mean)
}

function selected({ trees, labels, reference }: LabelledSet, rows: readonly number[]): LabelledSet {
  return {
    trees: rows.map((row) => trees[row]!),
    labels: rows.map((row) => labels[row]!),
    reference: Float32Array.from(rows, (row) => reference[row]!),
  }
}

/** 0 to count − 1, cut into runs of `size`. */
function chunks(count: number, size: number): number[][] {
  return Array.from({ length: Math.ceil(count / size) }, (_, i) => Array.from({ length: Math.min(size, count - i * size) }, (_, j) => i * size + j))
}
