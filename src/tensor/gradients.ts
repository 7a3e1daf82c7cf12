import { add, sumTo } from './operators.ts'
import { formatShape } from './shape.ts'
import { constant, type Rule, type Tensor } from './tensor.ts'

/**
 * Reverse-mode differentiation of a scalar with respect to `wrt`, as further nodes of the same graph.
 * Nothing is built for tensors that do not lie between the two: a frozen weight costs no gradient.
 * @returns one gradient for each of `wrt`, of its shape; undefined where the loss does not depend on it.
 */
export function gradients(loss: Tensor, wrt: readonly Tensor[]): (Tensor | undefined)[] {
  if (loss.shape.length !== 0) throw new RangeError(`the loss must be a scalar, not ${formatShape(loss.shape)}`)
  const targets = new Set(wrt)
  const onPath = pathTo(targets)
  const found = new Map<Tensor, Tensor>([[loss, constant(1)]])
  for (const rule of rulesInOrder(loss, onPath).reverse()) {
    const outputGradients = rule.outputs.map((output) => found.get(output))
    if (outputGradients.every((gradient) => gradient === undefined)) continue
    const inputGradients = rule.vjp(outputGradients)
    rule.inputs.forEach((input, i) => {
      const gradient = inputGradients[i]
      if (gradient === undefined || !onPath(input)) return
      const summed = sumTo(gradient, input.shape)
      const before = found.get(input)
      found.set(input, before === undefined ? summed : add(before, summed))
    })
    for (const output of rule.outputs) if (!targets.has(output)) found.delete(output)
  }
  return wrt.map((target) => found.get(target))
}

/** Says of a tensor whether it depends on any of the targets. */
function pathTo(targets: ReadonlySet<Tensor>): (tensor: Tensor) => boolean {
  const known = new Map<Tensor, boolean>()
  return (tensor) => {
    const stack = [tensor]
    while (stack.length > 0) {
      const top = stack.at(-1)!
      const inputs = top.rule?.inputs ?? []
      const open = inputs.filter((input) => !known.has(input) && !targets.has(input))
      if (known.has(top) || targets.has(top) || open.length === 0) {
        known.set(top, targets.has(top) || inputs.some((input) => targets.has(input) || known.get(input) === true))
        stack.pop()
      } else stack.push(...open)
    }
    return known.get(tensor)!
  }
}

/** The rules that lead to `loss`, each after all that its inputs come from (an explicit stack: graphs are deep). */
function rulesInOrder(loss: Tensor, onPath: (tensor: Tensor) => boolean): Rule[] {
  const done = new Set<Rule>()
  const order: Rule[] = []
  const stack: { rule: Rule; expanded: boolean }[] = []
  const visit = (tensor: Tensor): void => {
    if (tensor.rule !== undefined && onPath(tensor) && !done.has(tensor.rule)) stack.push({ rule: tensor.rule, expanded: false })
  }
  visit(loss)
  while (stack.length > 0) {
    const top = stack.at(-1)!
    if (done.has(top.rule)) stack.pop()
    else if (top.expanded) {
      done.add(top.rule)
      order.push(top.rule)
      stack.pop()
    } else {
      top.expanded = true
      top.rule.inputs.forEach(visit)
    }
  }
  return order
}
