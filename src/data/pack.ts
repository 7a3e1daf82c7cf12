import { UserError } from '../errors.ts'
import type { PackedBatch } from '../models/graph/forward.ts'
import type { RenderedRow } from './render.ts'
import { asTree, type RenderedTree } from './tree.ts'

export interface PackOptions {
  /** The most positions (B*S) of a micro-batch; a longer tree gets a micro-batch of its own. */
  readonly maxTokens?: number
  /** What is predicted: each token that carries loss (the default), or nothing, and the target is each branch's last token. */
  readonly targets?: 'loss' | 'ends'
  /** Whether a tree longer than `maxTokens` may become several, each with the stem and some of the branches. */
  readonly split?: boolean
}

/** Bin lengths are multiples of this, so that few shapes of graph inputs occur. */
const granule = 16

/**
 * Sequence length at which attention costs as much as all linear layers of a small model (for SmolLM2-135M:
 * 2.1e8 operations a token in linear layers, 6.9e4 for each position attended to).
 */
const attentionLength = 3000

/** Packs rows that share nothing; see `packTrees`. */
export function packRows(rows: readonly RenderedRow[], options?: PackOptions): PackedBatch[] {
  return packTrees(rows.map(asTree), options)
}

/**
 * Packs the trees of an optimizer step into micro-batches, without padding between them, best fit decreasing.
 * A branch is in a batch only as far as a prediction needs it: through the token before its last loss-carrying one.
 * Each loss-carrying token is the label of exactly one target. The result depends on nothing but the arguments.
 * Throws where a branch carries no loss: such rows are to be left out before, and counted.
 */
export function packTrees(trees: readonly RenderedTree[], options: PackOptions = {}): PackedBatch[] {
  const { maxTokens = 512, targets = 'loss', split = false } = options
  const pieces = trees.flatMap((tree, number) => {
    const lengths = tree.branches.map(branch => neededLength(branch, tree.stem, targets, number))
    return piecesOf(number, tree.stem.ids.length, lengths, split ? maxTokens : Infinity)
  })
  if (pieces.length === 0) return []
  const { length, bins } = bestLayout(pieces.map(({ length }) => length), maxTokens)
  const binsAtOnce = Math.max(1, Math.floor(maxTokens / length))
  const batches = Math.ceil(bins.length / binsAtOnce)
  const share = Math.ceil(bins.length / batches)
  return Array.from({ length: Math.ceil(bins.length / share) }, (_, batch) => {
    const filling = bins.slice(batch * share, (batch + 1) * share).map(({ rows }) => rows.map(row => ({ ...pieces[row]!, segment: row })))
    return fill(filling, trees, targets)
  })
}

/** How many tokens of a branch stand in a batch. */
function neededLength(branch: RenderedRow, stem: RenderedRow, targets: 'loss' | 'ends', tree: number): number {
  if (targets === 'ends') return branch.ids.length
  const needed = branch.mask.lastIndexOf(1)
  if (needed > 0 || (needed === 0 && stem.ids.length > 0)) return needed
  throw new UserError(`Row ${tree + 1} of this step has no token that carries loss.`)
}

/** A tree, or a part of one: the stem and some branches. */
interface Piece {
  readonly tree: number
  readonly branches: readonly number[]
  /** Tokens of each of `branches`. */
  readonly lengths: readonly number[]
  /** Tokens of the stem and these branches together. */
  readonly length: number
}

/** A piece with a number of its own: pieces of one tree that lie side by side must not see each other's stems. */
interface PlacedPiece extends Piece {
  readonly segment: number
}

/** Branches in their order, as many in a piece as `maxTokens` allows. */
function piecesOf(tree: number, stem: number, lengths: readonly number[], maxTokens: number): Piece[] {
  const total = lengths.reduce((sum, length) => sum + length, stem)
  const count = Math.max(1, Math.min(lengths.length, Math.ceil((total - stem) / Math.max(1, maxTokens - stem))))
  const share = Math.ceil(lengths.length / count)
  return Array.from({ length: Math.ceil(lengths.length / share) }, (_, piece) => {
    const branches = Array.from(lengths.keys()).slice(piece * share, (piece + 1) * share)
    const ofBranches = branches.map(branch => lengths[branch]!)
    return { tree, branches, lengths: ofBranches, length: ofBranches.reduce((sum, length) => sum + length, stem) }
  })
}

/** The share of positions that hold no token. */
export function paddingShare(batches: readonly PackedBatch[]): number {
  let positions = 0
  let padding = 0
  for (const { segments } of batches) {
    positions += segments.length
    for (const segment of segments) if (segment === -1) padding++
  }
  return positions === 0 ? 0 : padding / positions
}

interface Bin {
  /** Indices of the pieces in it. */
  readonly rows: number[]
  used: number
}

/** The bin length, among those from the longest row to a whole micro-batch, that costs the least to compute. */
function bestLayout(lengths: readonly number[], maxTokens: number): { length: number; bins: Bin[] } {
  const shortest = roundUp(lengths.reduce((longest, length) => Math.max(longest, length), 0))
  const longest = Math.max(shortest, Math.floor(maxTokens / granule) * granule)
  const order = lengths.map((_, index) => index).toSorted((a, b) => lengths[b]! - lengths[a]! || a - b)
  let best: { length: number; bins: Bin[]; cost: number } | undefined
  for (let length = shortest; length <= longest; length += granule) {
    const bins = bestFit(order, lengths, length)
    const cost = bins.length * length * (1 + length / attentionLength)
    if (best === undefined || cost < best.cost) best = { length, bins, cost }
    if (bins.length === 1) break
  }
  return best!
}

/** Each row, longest first, goes into the bin where the least room is left. */
function bestFit(order: readonly number[], lengths: readonly number[], capacity: number): Bin[] {
  const bins: Bin[] = []
  for (const row of order) {
    const length = lengths[row]!
    let tightest: Bin | undefined
    for (const bin of bins) {
      if (bin.used + length <= capacity && (tightest === undefined || bin.used > tightest.used)) tightest = bin
    }
    if (tightest === undefined) bins.push({ rows: [row], used: length })
    else {
      tightest.rows.push(row)
      tightest.used += length
    }
  }
  return bins.toSorted((a, b) => b.used - a.used)
}

function fill(bins: readonly (readonly PlacedPiece[])[], trees: readonly RenderedTree[], targets: 'loss' | 'ends'): PackedBatch {
  const length = roundUp(Math.max(...bins.map(pieces => pieces.reduce((sum, piece) => sum + piece.length, 0))))
  const batch = new BatchWriter(bins.length, length)
  bins.forEach((pieces, bin) => {
    let at = bin * length
    for (const piece of pieces) at = writePiece(batch, piece, trees[piece.tree]!, at, targets)
  })
  return batch.finish()
}

/** Writes a piece from position `at` on and returns the position behind it. */
function writePiece(batch: BatchWriter, piece: PlacedPiece, { stem, branches: rows }: RenderedTree, at: number, targets: 'loss' | 'ends'): number {
  const { tree, segment, branches, lengths } = piece
  const stemLength = stem.ids.length
  const stemTargets = targets === 'loss' ? stem.mask.subarray(1) : []
  batch.beginTree(tree, stemLength)
  batch.writeTokens(at, stem.ids, 0, segment, -1)
  for (let i = 0; i < stemTargets.length; i++) if (stemTargets[i] === 1) batch.addStemTarget(at + i, stem.ids[i + 1]!)
  let start = at + stemLength
  branches.forEach((branch, index) => {
    const { ids, mask } = rows[branch]!
    const needed = lengths[index]!
    batch.beginSequence(tree, branch, ids.length)
    batch.writeTokens(start, ids.subarray(0, needed), stemLength, segment, branch)
    if (targets === 'ends') batch.addTarget(start + needed - 1, 0)
    else {
      // The first token of a branch is predicted where the stem ends, the others where the one before them stands.
      if (stemLength > 0 && mask[0] === 1) batch.addTarget(at + stemLength - 1, ids[0]!)
      for (let i = 1; i <= needed; i++) if (mask[i] === 1) batch.addTarget(start + i - 1, ids[i]!)
    }
    start += needed
  })
  return start
}

class BatchWriter {
  readonly #bins: number
  readonly #length: number
  readonly #ids: BigInt64Array
  readonly #positions: Int32Array
  readonly #segments: Int32Array
  readonly #branches: Int32Array
  readonly #targets = { positions: [] as number[], labels: [] as bigint[], sequences: [] as number[] }
  readonly #sequences = { trees: [] as number[], branches: [] as number[] }
  readonly #trees: number[] = []
  #tokens = 0

  constructor(bins: number, length: number) {
    this.#bins = bins
    this.#length = length
    this.#ids = new BigInt64Array(bins * length)
    this.#positions = new Int32Array(bins * length)
    this.#segments = new Int32Array(bins * length).fill(-1)
    this.#branches = new Int32Array(bins * length).fill(-1)
  }

  beginTree(tree: number, stemLength: number): void {
    this.#trees.push(tree)
    this.#tokens += stemLength
  }

  beginSequence(tree: number, branch: number, length: number): void {
    this.#sequences.trees.push(tree)
    this.#sequences.branches.push(branch)
    this.#tokens += length
  }

  writeTokens(at: number, ids: Int32Array, firstPosition: number, segment: number, branch: number): void {
    for (let i = 0; i < ids.length; i++) {
      this.#ids[at + i] = BigInt(ids[i]!)
      this.#positions[at + i] = firstPosition + i
    }
    this.#segments.fill(segment, at, at + ids.length)
    this.#branches.fill(branch, at, at + ids.length)
  }

  /** A target of the sequence that was begun last. */
  addTarget(position: number, label: number): void {
    this.#add(position, label, this.#sequences.trees.length - 1)
  }

  addStemTarget(position: number, label: number): void {
    this.#add(position, label, -this.#trees.length)
  }

  finish(): PackedBatch {
    const { positions, labels, sequences } = this.#targets
    return {
      bins: this.#bins,
      length: this.#length,
      ids: this.#ids,
      positions: this.#positions,
      segments: this.#segments,
      branches: this.#branches,
      targets: { positions: Int32Array.from(positions), labels: BigInt64Array.from(labels), sequences: Int32Array.from(sequences) },
      trees: Int32Array.from(this.#trees),
      sequences: { trees: Int32Array.from(this.#sequences.trees), branches: Int32Array.from(this.#sequences.branches) },
      tokens: this.#tokens,
    }
  }

  #add(position: number, label: number, sequence: number): void {
    this.#targets.positions.push(position)
    this.#targets.labels.push(BigInt(label))
    this.#targets.sequences.push(sequence)
  }
}

function roundUp(length: number): number {
  return Math.ceil(length / granule) * granule
}
