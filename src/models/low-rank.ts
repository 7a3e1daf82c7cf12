/** w += scale · b a in place, where w is [out, in], b [out, rank], a [rank, in]. */
export function addProduct(
  w: Float32Array,
  b: Float32Array,
  a: Float32Array,
  [outputs, inputs]: readonly [number, number],
  rank: number,
  scale: number,
): void {
  const sum = new Float64Array(inputs)
  for (let row = 0; row < outputs; row++) {
    sum.fill(0)
    for (let r = 0; r < rank; r++) {
      const factor = scale * b[row * rank + r]!
      for (let i = 0; i < inputs; i++) sum[i]! += factor * a[r * inputs + i]!
    }
    for (let i = 0; i < inputs; i++) w[row * inputs + i]! += sum[i]!
  }
}
