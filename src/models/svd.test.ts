import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '../random.ts'
import { largestSingular, symmetricTridiagonal } from './svd.ts'

function gaussian(size: number, seed: number): Float32Array {
  const random = new Random(seed)
  const uniform = (): number => (random.uint32() + 1) / 2 ** 32
  return Float32Array.from({ length: size }, () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()))
}

/** Columns made orthonormal one after the other. [rows, columns] */
function orthonormal(rows: number, columns: number, seed: number): number[][] {
  const values = gaussian(rows * columns, seed)
  const made: number[][] = []
  for (let c = 0; c < columns; c++) {
    const x = Array.from({ length: rows }, (_, i) => values[c * rows + i]!)
    for (let pass = 0; pass < 2; pass++) {
      for (const other of made) {
        const along = x.reduce((sum, value, i) => sum + value * other[i]!, 0)
        x.forEach((_, i) => { x[i]! -= along * other[i]! })
      }
    }
    const length = Math.hypot(...x)
    made.push(x.map((value) => value / length))
  }
  return made
}

/** U diag(values) Vᵀ of known factors. */
function withSpectrum(rows: number, columns: number, values: readonly number[]): { matrix: Float32Array; left: number[][]; right: number[][] } {
  const [left, right] = [orthonormal(rows, values.length, 1), orthonormal(columns, values.length, 2)]
  const matrix = new Float32Array(rows * columns)
  values.forEach((value, k) => {
    for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) matrix[r * columns + c]! += value * left[k]![r]! * right[k]![c]!
  })
  return { matrix, left, right }
}

test('a known spectrum comes back, values and vectors, of tall, wide and square matrices', () => {
  const spectrum = Array.from({ length: 30 }, (_, i) => 10 * 0.9 ** i)
  for (const [rows, columns] of [[40, 90], [90, 40], [60, 60]] as const) {
    const { matrix, left, right } = withSpectrum(rows, columns, spectrum)
    const found = largestSingular(matrix, rows, columns, 5)
    assert.equal(found.values.length, 5)
    for (let k = 0; k < 5; k++) {
      assert.ok(Math.abs(found.values[k]! - spectrum[k]!) < 1e-5)
      const cosine = (a: readonly number[], b: Float64Array): number => Math.abs(a.reduce((sum, value, i) => sum + value * b[i]!, 0))
      assert.ok(cosine(left[k]!, found.left[k]!) > 1 - 1e-8, `left vector ${k}`)
      assert.ok(cosine(right[k]!, found.right[k]!) > 1 - 1e-8, `right vector ${k}`)
    }
  }
})

test('a flat spectrum, where neighbours are close: the values of all are found in order', () => {
  const [rows, columns] = [50, 70]
  const matrix = gaussian(rows * columns, 3)
  const all = largestSingular(matrix, rows, columns, 50).values
  const squares = matrix.reduce((sum, value) => sum + value * value, 0)
  assert.ok(Math.abs(all.reduce((sum, value) => sum + value ** 2, 0) / squares - 1) < 1e-10, 'they sum to the Frobenius norm')
  const few = largestSingular(matrix, rows, columns, 8).values
  few.forEach((value, i) => { assert.ok(Math.abs(value / all[i]! - 1) < 1e-8) })
})

test('a matrix of low rank, one of zeros, and more values than there are', () => {
  const { matrix } = withSpectrum(20, 30, [3, 2])
  const { values, left } = largestSingular(matrix, 20, 30, 2)
  assert.ok(Math.abs(values[0]! - 3) < 1e-5 && Math.abs(values[1]! - 2) < 1e-5)
  assert.ok(left.every((u) => Math.abs(Math.hypot(...u) - 1) < 1e-9))
  assert.ok(largestSingular(new Float32Array(12), 3, 4, 2).values.every((value) => value === 0))
  assert.equal(largestSingular(gaussian(12, 4), 3, 4, 9).values.length, 3)
})

test('a symmetric tridiagonal matrix: A x = λ x for each pair, largest λ first', () => {
  const [d, e] = [Float64Array.of(4, 3, 2, 5, 1, 7), Float64Array.of(1, 0.5, 0, 1, 0.3)]
  const { values, vectors } = symmetricTridiagonal(d, e)
  assert.ok(values.every((value, i) => i === 0 || value <= values[i - 1]!))
  vectors.forEach((x, k) => {
    for (let i = 0; i < 6; i++) {
      const ax = d[i]! * x[i]! + (e[i - 1] ?? 0) * (x[i - 1] ?? 0) + (e[i] ?? 0) * (x[i + 1] ?? 0)
      assert.ok(Math.abs(ax - values[k]! * x[i]!) < 1e-12)
    }
  })
})
