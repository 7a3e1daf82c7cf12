import { nodesInOrder } from './onnx.ts'
import { Tensor, type Node } from './tensor.ts'

/** What stands for a node where its kernel is missing or wrong: its outputs, computed by others; undefined: the node itself. */
export type Lowering = (node: Node) => readonly Tensor[] | undefined

/**
 * The same values with the nodes of some types replaced. Gradient rules are lost: lowering comes after `gradients`.
 * @param lowerings by node type; each gets the node with its inputs lowered already
 */
export function lower(outputs: ReadonlyMap<string, Tensor>, lowerings: Readonly<Record<string, Lowering>>): Map<string, Tensor> {
  const made = new Map<Node, { readonly node: Node; readonly instead: readonly Tensor[] | undefined }>()
  const lowered = (tensor: Tensor): Tensor => {
    if (tensor.source.kind !== 'node') return tensor
    const { node, instead } = made.get(tensor.source.node)!
    const { output } = tensor.source
    return instead?.[output] ?? new Tensor(tensor.shape, tensor.dtype, { kind: 'node', node, output })
  }
  for (const old of nodesInOrder(outputs.values())) {
    const node = { ...old, inputs: old.inputs.map((input) => input && lowered(input)) }
    made.set(old, { node, instead: lowerings[old.type]?.(node) })
  }
  return new Map([...outputs].map(([name, tensor]) => [name, lowered(tensor)]))
}
