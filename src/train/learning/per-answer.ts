import type { PackedBatch } from '../../models/graph/forward.ts'

/** Answer a of group g has the number g · groupSize + a; a packed batch holds it as branch a of tree g. */
function answerOf({ sequences }: PackedBatch, sequence: number, groupSize: number): number {
  return sequences.trees[sequence]! * groupSize + sequences.branches[sequence]!
}

/** Values of each answer's tokens at the batch's targets, [N]; 0 where there are none. */
export function perTarget(batch: PackedBatch, groupSize: number, values: readonly (Float32Array | undefined)[] | undefined): Float32Array {
  const taken = new Int32Array(batch.sequences.trees.length)
  return Float32Array.from(batch.targets.sequences, (sequence) => {
    const token = taken[sequence]!++
    return values?.[answerOf(batch, sequence, groupSize)]?.[token] ?? 0
  })
}

/** The reverse: values at the targets of all batches as values of each answer's tokens; undefined where a batch has none. */
export function splitByAnswer(
  batches: readonly PackedBatch[],
  values: readonly (Float32Array | undefined)[],
  lengths: readonly number[],
  groupSize: number,
): Float32Array[] | undefined {
  const answers = lengths.map((length) => new Float32Array(length))
  for (const [i, batch] of batches.entries()) {
    const ofBatch = values[i]
    if (ofBatch === undefined) return undefined
    const taken = new Int32Array(batch.sequences.trees.length)
    batch.targets.sequences.forEach((sequence, n) => {
      answers[answerOf(batch, sequence, groupSize)]![taken[sequence]!++] = ofBatch[n]!
    })
  }
  return answers
}
