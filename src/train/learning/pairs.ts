import { packTrees } from '../../data/pack.ts'
import type { PairRow } from '../../data/rows.ts'
import type { RenderedTree } from '../../data/tree.ts'
import { packedForward, type PackedBatch } from '../../models/graph/forward.ts'
import type { Loss } from '../../methods/method.ts'
import type { HostTensor } from '../../runtime/program.ts'
import { reshape } from '../../tensor/operators.ts'
import { times } from '../../tensor/shape.ts'
import { input, type Tensor } from '../../tensor/tensor.ts'
import type { MicroBatch } from '../learner.ts'
import type { Policy } from '../policy.ts'
import type { RowSet } from '../training-data.ts'
import { scalarScores } from './heads.ts'
import { heldOutLoss, heldOutTokens } from './held-out.ts'
import { groupSums, membersInput, scalar, scalarInput, sequenceMembers, vector, type Learning, type LearningContext, type MethodFor } from './learning.ts'
import { referenceSums } from './reference.ts'

/** Pairs with all that a loss may take of them. */
export interface PairSet {
  readonly trees: readonly RenderedTree[]
  /** [P * 2]: chosen and rejected of each pair; undefined where the method takes no reference. */
  readonly reference: Float32Array | undefined
  /** [P] */
  readonly margins: Float32Array
}

/** What is packed for a pair: the targets of its answers, of its prompt too, or the answers' last tokens. */
interface Layout {
  readonly promptLoss: boolean
  readonly scalarHead: boolean
}

/** Learning from pairs of answers, a tree each: the prompt once, and the two answers. */
export async function pairLearning(
  method: MethodFor<'pairs'>,
  settings: Record<string, unknown>,
  context: LearningContext<PairRow>,
): Promise<Learning> {
  const { recipe, policy, data } = context
  const layout: Layout = { promptLoss: method.promptLoss?.(settings) ?? false, scalarHead: method.scalarHead ?? false }
  const withReference = async (name: string, { trees, sources }: RowSet<PairRow>): Promise<PairSet> => ({
    trees: layout.scalarHead ? trees.map((tree) => withoutPadding(tree, policy.config.padTokenId)) : trees,
    reference: method.reference?.(settings) === true ? await referenceSums(context, name, trees) : undefined,
    margins: Float32Array.from(sources, ({ row }) => row.margin ?? 0),
  })
  const train = await withReference('train', data.rows)
  const heldOut = data.heldOut === undefined ? undefined : await withReference('eval', data.heldOut)
  const loss = pairLoss(method, settings, policy)
  const whole = heldOut && { rows: heldOut.trees.length, batches: async () => pairBatches(heldOut, layout, heldOutTokens) }
  return {
    loss,
    next: async (nextRows) => ({ batches: pairBatches(selected(train, nextRows()), layout, recipe.tokens_per_micro_batch) }),
    evaluate: () => heldOutLoss(context, loss, whole === undefined ? [] : [whole]),
  }
}

export function pairLoss(method: MethodFor<'pairs'>, settings: Record<string, unknown>, policy: Policy): Loss {
  const forward = packedForward(policy.config, policy.parts)
  const logprobs_N = forward.logprobs()
  const ofPair = (name: string): Tensor => input(name, 'float32', ['P', 2])
  const members = membersInput('members', times(2, 'P'))
  const summed = (x_N: Tensor): Tensor => reshape(groupSums(members, x_N), ['P', 2])
  return method.loss({
    logprobs_PC: summed(logprobs_N),
    reference_PC: ofPair('reference'),
    lengths_PC: ofPair('lengths'),
    promptLogprobs_P: groupSums(membersInput('prompt_members', 'P'), logprobs_N),
    scores_PC: policy.scalarHead === undefined ? ofPair('scores') : summed(scalarScores(policy, forward.hidden_NH)),
    margin_P: input('margin', 'float32', ['P']),
    perPair: scalarInput('per_pair'),
    perChosenToken: scalarInput('per_chosen_token'),
    settings,
  })
}

function selected({ trees, reference, margins }: PairSet, rows: readonly number[]): PairSet {
  return {
    trees: rows.map((row) => trees[row]!),
    reference: reference && Float32Array.from(rows.flatMap((row) => [reference[2 * row]!, reference[2 * row + 1]!])),
    margins: Float32Array.from(rows, (row) => margins[row]!),
  }
}

/** The micro-batches of one optimizer step. */
export function pairBatches({ trees, reference, margins }: PairSet, { promptLoss, scalarHead }: Layout, maxTokens?: number): MicroBatch[] {
  const packed = promptLoss ? trees.map(withPromptLoss) : trees
  const lossTokens = packed.reduce((sum, { stem, branches }) => sum + countLoss(stem.mask) + countLoss(branches[0]!.mask), 0)
  const batches = packTrees(packed, { ...(maxTokens === undefined ? {} : { maxTokens }), targets: scalarHead ? 'ends' : 'loss' })
  return batches.map((batch) => {
    const perPair = (values: Float32Array | undefined): HostTensor => ({
      data: Float32Array.from(Array.from(batch.trees).flatMap((tree) => [values?.[2 * tree] ?? 0, values?.[2 * tree + 1] ?? 0])),
      shape: [batch.trees.length, 2],
    })
    const lengths = Float32Array.from(packed.flatMap(({ branches }) => branches.map(({ mask }) => countLoss(mask))))
    return {
      batch,
      feeds: {
        members: sequenceMembers(batch),
        prompt_members: stemMembers(batch),
        reference: perPair(reference),
        lengths: perPair(lengths),
        margin: vector(Float32Array.from(batch.trees, (tree) => margins[tree]!)),
        per_pair: scalar(1 / trees.length),
        per_chosen_token: scalar(1 / lossTokens),
      },
    }
  })
}

/** 1 where a target stands in the stem of the batch's tree t, else 0; [P, N] */
function stemMembers({ targets, trees }: PackedBatch): HostTensor {
  const count = targets.sequences.length
  const data = new Float32Array(trees.length * count)
  targets.sequences.forEach((sequence, n) => { if (sequence < 0) data[(-1 - sequence) * count + n] = 1 })
  return { data, shape: [trees.length, count] }
}

/**
 * Transformers' sequence classifiers score the rightmost token that is not the padding token, which may be the end token
 * too: then it is the token before the end.
 */
function withoutPadding({ stem, branches }: RenderedTree, padTokenId: number | undefined): RenderedTree {
  const trimmed = branches.map(({ ids, mask }) => {
    const length = Math.max(1, ids.findLastIndex((id) => id !== padTokenId) + 1)
    return { ids: ids.subarray(0, length), mask: mask.subarray(0, length) }
  })
  return { stem, branches: trimmed }
}

function withPromptLoss({ stem, branches }: RenderedTree): RenderedTree {
  return { stem: { ids: stem.ids, mask: new Uint8Array(stem.ids.length).fill(1, 1) }, branches }
}

function countLoss(mask: Uint8Array): number {
  return mask.reduce((sum, carries) => sum + carries, 0)
}
