/**
 * The largest singular values of a matrix with their vectors, by Golub–Kahan–Lanczos bidiagonalization (Golub & Van Loan,
 * Matrix Computations, section 10.4): W V = U B with B bidiagonal, of which a part far smaller than W has the largest
 * singular values of W already.
 */
import { Random } from '../random.ts'

export interface SingularTriplets {
  /** Largest first. */
  readonly values: Float64Array
  /** One of length `rows` for each value, orthonormal. */
  readonly left: readonly Float64Array[]
  /** One of length `columns` for each value, orthonormal. */
  readonly right: readonly Float64Array[]
}

/** How far the found subspace may be turned against the true one, as a sine. */
const tolerance = 1e-4

/**
 * The `count` largest singular values. Where the next one is as large, which of the two is taken is not determined.
 * @param matrix [rows, columns]
 */
export function largestSingular(matrix: Float32Array, rows: number, columns: number, count: number): SingularTriplets {
  const full = Math.min(rows, columns)
  const wanted = Math.min(count, full)
  const process = new Bidiagonalization(matrix, rows, columns)
  for (let target = Math.min(full, 4 * wanted + 16); ; target = Math.min(full, Math.ceil(target * 1.4))) {
    while (process.size < target && !process.exhausted) process.extend()
    const { values, vectors } = symmetricTridiagonal(...process.normalMatrix())
    if (process.size === full || process.exhausted || isConverged(process, values, vectors, wanted)) {
      return triplets(process, vectors, wanted)
    }
  }
}

/** Whether no vector's residual is large against the gap that sets the wanted values apart (Davis & Kahan 1970). */
function isConverged(process: Bidiagonalization, squares: Float64Array, vectors: readonly Float64Array[], wanted: number): boolean {
  const value = (i: number): number => Math.sqrt(Math.max(0, squares[i]!))
  const gap = value(wanted - 1) - value(wanted)
  const residuals = vectors.slice(0, wanted).map((vector) => process.nextBeta * Math.abs(vector.at(-1)!))
  return Math.max(...residuals) <= Math.max(tolerance * gap, 1e-13 * value(0))
}

function triplets(process: Bidiagonalization, vectors: readonly Float64Array[], wanted: number): SingularTriplets {
  const left = vectors.slice(0, wanted).map((vector) => process.combineLeft(vector))
  const right = left.map((u) => process.transposedProduct(u))
  const values = Float64Array.from(right, (v) => normalize(v))
  return { values, left, right }
}

/** W V = U B, a column more with each step; both bases are kept orthogonal against rounding. */
class Bidiagonalization {
  readonly #matrix: Float32Array
  readonly #rows: number
  readonly #columns: number
  readonly #left: Float64Array[] = []
  readonly #right: Float64Array[] = []
  readonly #alphas: number[] = []
  readonly #betas: number[] = []
  /** True once the space that a start vector can reach is used up: the values found are all there are but zeros. */
  exhausted = false

  constructor(matrix: Float32Array, rows: number, columns: number) {
    this.#matrix = matrix
    this.#rows = rows
    this.#columns = columns
    const random = new Random(0)
    const start = Float64Array.from({ length: columns }, () => random.uint32() / 2 ** 32 - 0.5)
    normalize(start)
    this.#right.push(start)
  }

  get size(): number {
    return this.#alphas.length
  }

  /** What couples the part that was found to the rest. */
  get nextBeta(): number {
    return this.#betas.at(-1) ?? 0
  }

  extend(): void {
    const u = this.#product(this.#right.at(-1)!)
    orthogonalize(u, this.#left)
    const alpha = normalize(u)
    const v = this.transposedProduct(u)
    orthogonalize(v, this.#right)
    const beta = normalize(v)
    this.#alphas.push(alpha)
    this.#betas.push(beta)
    this.#left.push(u)
    this.#right.push(v)
    const scale = Math.max(...this.#alphas.slice(0, 8))
    this.exhausted = beta <= 1e-12 * scale || alpha <= 1e-12 * scale
  }

  /** B Bᵀ as its diagonal and the one beside it: tridiagonal, its eigenvalues the squares of B's singular values. */
  normalMatrix(): [diagonal: Float64Array, beside: Float64Array] {
    const diagonal = Float64Array.from(this.#alphas, (alpha, i) => alpha ** 2 + (i + 1 < this.size ? this.#betas[i]! ** 2 : 0))
    const beside = Float64Array.from(this.#alphas.slice(1), (alpha, i) => alpha * this.#betas[i]!)
    return [diagonal, beside]
  }

  /** U p */
  combineLeft(coefficients: Float64Array): Float64Array {
    const sum = new Float64Array(this.#rows)
    coefficients.forEach((c, i) => { addScaled(sum, c, this.#left[i]!) })
    normalize(sum)
    return sum
  }

  /** Wᵀ u */
  transposedProduct(u: Float64Array): Float64Array {
    const sum = new Float64Array(this.#columns)
    for (let row = 0; row < this.#rows; row++) addScaled(sum, u[row]!, this.#matrix, row * this.#columns)
    return sum
  }

  /** W v */
  #product(v: Float64Array): Float64Array {
    const product = new Float64Array(this.#rows)
    for (let row = 0; row < this.#rows; row++) product[row] = dot(v, this.#matrix, row * this.#columns)
    return product
  }
}

/** Takes out of x what lies along orthonormal vectors. */
function orthogonalize(x: Float64Array, vectors: readonly Float64Array[]): void {
  for (const vector of vectors) addScaled(x, -dot(x, vector), vector)
}

/** Scales x to length 1, if it is not zero. @returns its length before */
function normalize(x: Float64Array): number {
  const length = Math.sqrt(dot(x, x))
  if (length > 0) for (let i = 0; i < x.length; i++) x[i]! /= length
  return length
}

function dot(x: Float64Array, y: Float64Array | Float32Array, start = 0): number {
  let sum0 = 0
  let sum1 = 0
  const even = x.length - (x.length % 2)
  for (let i = 0; i < even; i += 2) {
    sum0 += x[i]! * y[start + i]!
    sum1 += x[i + 1]! * y[start + i + 1]!
  }
  return even < x.length ? sum0 + sum1 + x[even]! * y[start + even]! : sum0 + sum1
}

/** x += c y */
function addScaled(x: Float64Array, c: number, y: Float64Array | Float32Array, start = 0): void {
  for (let i = 0; i < x.length; i++) x[i]! += c * y[start + i]!
}

/**
 * Eigenvalues, largest first, and eigenvectors of a symmetric tridiagonal matrix, by QL steps with implicit shifts
 * (Golub & Van Loan, section 8.3).
 */
export function symmetricTridiagonal(
  diagonal: Float64Array,
  beside: Float64Array,
): { values: Float64Array; vectors: readonly Float64Array[] } {
  const n = diagonal.length
  const d = Float64Array.from(diagonal)
  const e = new Float64Array(n)
  e.set(beside)
  // Row i is the vector of d[i].
  const vectors = Array.from({ length: n }, (_, i) => new Float64Array(n).fill(1, i, i + 1))
  for (let low = 0; low < n; low++) {
    for (let high = blockEnd(d, e, low); high > low; high = blockEnd(d, e, low)) qlStep(d, e, vectors, low, high)
  }
  const order = [...d.keys()].sort((a, b) => d[b]! - d[a]!)
  return { values: Float64Array.from(order, (i) => d[i]!), vectors: order.map((i) => vectors[i]!) }
}

/** The last row of the block that begins at `low`: the first whose coupling to the next is nothing against them. */
function blockEnd(d: Float64Array, e: Float64Array, low: number): number {
  let at = low
  while (at + 1 < d.length && Math.abs(e[at]!) > Number.EPSILON * (Math.abs(d[at]!) + Math.abs(d[at + 1]!))) at++
  return at
}

/** One pass of rotations from the end of the block to its beginning, shifted by an eigenvalue of its first two rows. */
function qlStep(d: Float64Array, e: Float64Array, vectors: readonly Float64Array[], low: number, high: number): void {
  const half = (d[low + 1]! - d[low]!) / 2
  const shift = d[low]! - e[low]! ** 2 / (half + (half < 0 ? -1 : 1) * Math.hypot(half, e[low]!))
  // x, z: the pair that the next rotation turns so that z vanishes.
  let x = d[high]! - shift
  let z = e[high - 1]!
  for (let i = high - 1; i >= low; i--) {
    const length = Math.hypot(x, z)
    const [c, s] = length === 0 ? [1, 0] : [x / length, z / length]
    if (i + 1 < high) e[i + 1] = length
    const [upper, lower, off] = [d[i]!, d[i + 1]!, e[i]!]
    d[i + 1] = c * c * lower + 2 * c * s * off + s * s * upper
    d[i] = s * s * lower - 2 * c * s * off + c * c * upper
    e[i] = c * s * (upper - lower) + (c * c - s * s) * off
    rotate(vectors[i]!, vectors[i + 1]!, c, s)
    if (i > low) {
      x = e[i]!
      z = s * e[i - 1]!
      e[i - 1]! *= c
    }
  }
}

/** (a, b) -> (c a − s b, s a + c b) */
function rotate(a: Float64Array, b: Float64Array, c: number, s: number): void {
  for (let k = 0; k < a.length; k++) {
    const [ak, bk] = [a[k]!, b[k]!]
    a[k] = c * ak - s * bk
    b[k] = s * ak + c * bk
  }
}
