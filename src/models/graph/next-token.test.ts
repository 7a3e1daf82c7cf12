import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { Program } from '../../runtime/program.ts'
import { input } from '../../tensor/tensor.ts'
import { chunkSize, nextToken } from './next-token.ts'

/** Four chunks, the last one partly filled. */
const vocabulary = 3 * chunkSize + 10
const program = await Program.compile(nextToken(input('all_logits', 'float32', ['N', vocabulary])), { device: 'cpu', threads: 1 })
after(() => program.release())

interface Choice {
  readonly chunk: number
  readonly logits: Float32Array
  readonly peak: number
  readonly probability: number
  readonly tempered: number
}

/** One run with a row for each draw, all of the same logits. */
async function choose(logits: Float32Array, temperature: number, draws: readonly number[]): Promise<Choice[]> {
  const rows = draws.length
  const all = new Float32Array(rows * vocabulary)
  draws.forEach((_, row) => { all.set(logits, row * vocabulary) })
  const results = await program.run({
    all_logits: { data: all, shape: [rows, vocabulary] },
    inverse_temperature: { data: new Float32Array(rows).fill(1 / temperature), shape: [rows, 1] },
    draw: { data: Float32Array.from(draws), shape: [rows, 1] },
    logit_rows: { data: BigInt64Array.of(BigInt(rows - 1)), shape: [1] },
  })
  const floats = (name: string): Float32Array => results[name]!.data as Float32Array
  assert.ok(results['logits']!.shape[0] === 1 && floats('logits').every((logit, id) => logit === logits[id]), 'the logits that were asked for')
  return draws.map((_, row) => ({
    chunk: Number((results['chunk']!.data as BigInt64Array)[row]),
    logits: floats('chunk_logits').subarray(row * chunkSize, (row + 1) * chunkSize),
    peak: floats('peak_logit')[row]!,
    probability: floats('peak_probability')[row]!,
    tempered: floats('tempered_peak_probability')[row]!,
  }))
}

/** Logits with probabilities `shares[c]` for chunk c at temperature 1, each on two tokens. */
function logitsOf(shares: readonly number[]): Float32Array {
  const logits = new Float32Array(vocabulary).fill(-200)
  shares.forEach((share, chunk) => {
    for (const token of [0, 5]) logits[chunk * chunkSize + token] = Math.log(share / 2) + 4
  })
  return logits
}

test('a draw falls into the chunk in whose share of the probability it lies', async () => {
  const draws = [0, 0.124, 0.126, 0.374, 0.376, 0.874, 0.876, 1 - 2 ** -24]
  const chosen = await choose(logitsOf([0.125, 0.25, 0.5, 0.125]), 1, draws)
  assert.deepEqual(chosen.map(({ chunk }) => chunk), [0, 0, 1, 1, 2, 2, 3, 3])
})

test('the temperature sharpens the shares', async () => {
  const shares = [0.1, 0.2, 0.3, 0.4].map((p) => p ** 2)
  const first = shares[0]! / shares.reduce((a, b) => a + b)
  const chosen = await choose(logitsOf([0.1, 0.2, 0.3, 0.4]), 0.5, [first - 1e-4, first + 1e-4])
  assert.deepEqual(chosen.map(({ chunk }) => chunk), [0, 1])
})

test('a chunk without probability is never drawn, whatever the draw', async () => {
  const logits = new Float32Array(vocabulary).fill(-1e4)
  logits[2 * chunkSize + 7] = 3
  const draws = [0, 2 ** -24, 0.5, 1 - 2 ** -24]
  for (const temperature of [1e-3, 1, 10]) {
    const chosen = await choose(logits, temperature, draws)
    assert.deepEqual(chosen.map(({ chunk }) => chunk), [2, 2, 2, 2])
  }
})

test('a negative draw takes the chunk of the likeliest token, the first of two that are equal', async () => {
  const logits = new Float32Array(vocabulary).fill(1)
  logits[chunkSize + 200] = logits[3 * chunkSize + 9] = 5
  const [chosen] = await choose(logits, 1, [-1])
  assert.equal(chosen!.chunk, 1)
  assert.equal(chosen!.peak, 5)
})

test('the logits are those of the chunk; behind the end of the vocabulary nothing can be drawn', async () => {
  const logits = Float32Array.from({ length: vocabulary }, (_, id) => id / vocabulary)
  const [first, last] = await choose(logits, 1, [0, 1 - 2 ** -24])
  assert.deepEqual([...first!.logits], [...logits.subarray(0, chunkSize)])
  assert.deepEqual([...last!.logits.subarray(0, 10)], [...logits.subarray(3 * chunkSize)])
  assert.ok(last!.logits.subarray(10).every((logit) => Math.exp(logit) === 0))
})

test('peak and its probabilities give the normalizer, with the temperature and without', async () => {
  const logits = Float32Array.from({ length: vocabulary }, (_, id) => 3 * Math.sin(id))
  const [chosen] = await choose(logits, 2, [0.5])
  const logSum = (z: number): number => Math.log(logits.reduce((sum, logit) => sum + Math.exp(z * logit), 0))
  assert.ok(Math.abs(chosen!.peak - Math.log(chosen!.probability) - logSum(1)) < 1e-5)
  assert.ok(Math.abs(chosen!.peak / 2 - Math.log(chosen!.tempered) - logSum(0.5)) < 1e-5)
})
