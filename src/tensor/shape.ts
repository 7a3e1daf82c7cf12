/**
 * A dimension: a number, or a size known only when the graph runs, named by a symbol ('S') or by a product of symbols
 * with an optional leading coefficient ('3*S', 'B*S'). Products are kept sorted, so equal sizes are equal strings.
 */
export type Dim = number | string
export type Shape = readonly Dim[]

/** The product of dimensions, in canonical form. */
export function times(...dims: readonly Dim[]): Dim {
  let coefficient = 1
  const symbols: string[] = []
  for (const dim of dims) {
    if (typeof dim === 'number') coefficient *= dim
    else {
      for (const factor of dim.split('*')) {
        const value = Number(factor)
        if (Number.isInteger(value)) coefficient *= value
        else symbols.push(factor)
      }
    }
  }
  if (symbols.length === 0 || coefficient === 0) return coefficient
  const product = symbols.sort().join('*')
  return coefficient === 1 ? product : `${coefficient}*${product}`
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((dim, axis) => dim === b[axis])
}

/** `axis` counted from the front; negative ones count from the back. */
export function axisOf(axis: number, rank: number): number {
  const result = axis < 0 ? axis + rank : axis
  if (result < 0 || result >= rank) throw new RangeError(`axis ${axis} is outside a tensor of rank ${rank}`)
  return result
}

/** Numpy's broadcasting: aligned at the last axis, a 1 stretches. */
export function broadcastShapes(a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length)
  return Array.from({ length: rank }, (_, axis) => {
    const left = a[axis - rank + a.length] ?? 1
    const right = b[axis - rank + b.length] ?? 1
    if (left === right || right === 1) return left
    if (left === 1) return right
    throw new RangeError(`shapes ${formatShape(a)} and ${formatShape(b)} do not broadcast`)
  })
}

export function formatShape(shape: Shape): string {
  return `[${shape.join(', ')}]`
}
