/** Writes a symbolic graph as an ONNX model (onnx.proto: field numbers as in ModelProto, GraphProto, NodeProto …). */
import { onnxType } from './operators.ts'
import { ProtobufWriter } from './protobuf.ts'
import type { AttributeValue, ConstantData, Node, Tensor } from './tensor.ts'

/** Where a weight lies in a file beside the model. */
export interface WeightLocation {
  /** File name, relative to the model's folder. */
  readonly file: string
  readonly offset: number
  /** In bytes. */
  readonly length: number
}

export interface OnnxModel {
  readonly bytes: Uint8Array
  /** Names of the inputs that the outputs depend on. */
  readonly inputs: readonly string[]
}

const opsetVersion = 21
const irVersion = 10
/** Attributes whose type is FLOAT even where the value is whole. */
const floatAttributes = new Set(['epsilon', 'alpha', 'beta', 'scale'])
const attributeType = { float: 1, int: 2, string: 3, ints: 7 }

/**
 * @param outputs the values to compute, by the name under which a run returns them
 * @param locate says where a weight's bytes are
 */
export function encodeOnnx(outputs: ReadonlyMap<string, Tensor>, locate: (weight: string) => WeightLocation): OnnxModel {
  const graph = new ProtobufWriter()
  const { nodes, leaves } = collect(outputs.values())
  const names = nameValues(outputs, nodes)
  const nameOf = (tensor: Tensor): string => names.get(keyOf(tensor))!

  for (const node of nodes) graph.message(1, (writer) => writeNode(writer, node, names))
  graph.text(2, 'posttrain')
  for (const leaf of leaves) if (leaf.source.kind !== 'input') graph.message(5, (writer) => writeInitializer(writer, leaf, nameOf(leaf), locate))
  const inputs = leaves.filter((leaf) => leaf.source.kind === 'input')
  for (const leaf of inputs) {
    const output = outputs.get(nameOf(leaf))
    if (output !== undefined && keyOf(output) !== keyOf(leaf)) throw new Error(`the output ${nameOf(leaf)} has the name of an input`)
  }
  for (const leaf of inputs) graph.message(11, (writer) => writeValueInfo(writer, nameOf(leaf), leaf))
  for (const [name, tensor] of outputs) {
    // A leaf or a value wanted twice is passed through a node of its own: an output has one name, and a maker.
    if (names.get(keyOf(tensor)) !== name) {
      graph.message(1, (writer) => writer.text(1, nameOf(tensor)).text(2, name).text(4, 'Identity'))
    }
    graph.message(12, (writer) => writeValueInfo(writer, name, tensor))
  }

  const model = new ProtobufWriter().integer(1, irVersion).text(2, 'posttrain').bytes(7, graph.finish())
  model.message(8, (writer) => writer.text(1, '').integer(2, opsetVersion))
  model.message(8, (writer) => writer.text(1, 'com.microsoft').integer(2, 1))
  return { bytes: model.finish(), inputs: inputs.map(nameOf) }
}

/** Identifies a computed value: tensors with different gradient rules may share one. */
function keyOf(tensor: Tensor): unknown {
  return tensor.source.kind === 'node' ? outputKey(tensor.source.node, tensor.source.output) : leafKey(tensor)
}

const outputKeys = new WeakMap<Node, object[]>()
function outputKey(node: Node, output: number): object {
  const keys = outputKeys.get(node) ?? Array.from({ length: node.outputs }, () => ({}))
  outputKeys.set(node, keys)
  return keys[output]!
}

function leafKey(tensor: Tensor): unknown {
  return tensor.source.kind === 'constant' ? tensor.source : 'name' in tensor.source ? `${tensor.source.kind} ${tensor.source.name}` : undefined
}

/** Every node that the outputs need, each after its inputs. */
export function nodesInOrder(outputs: Iterable<Tensor>): readonly Node[] {
  return collect(outputs).nodes
}

/** Every node that the outputs need, each after its inputs, and every leaf, once. */
function collect(outputs: Iterable<Tensor>): { nodes: Node[]; leaves: Tensor[] } {
  const nodes: Node[] = []
  const leaves = new Map<unknown, Tensor>()
  const done = new Set<Node>()
  const stack: { tensor: Tensor; expanded: boolean }[] = [...outputs].reverse().map((tensor) => ({ tensor, expanded: false }))
  while (stack.length > 0) {
    const top = stack.at(-1)!
    const { source } = top.tensor
    if (source.kind !== 'node') {
      leaves.set(keyOf(top.tensor), top.tensor)
      stack.pop()
    } else if (done.has(source.node)) stack.pop()
    else if (top.expanded) {
      done.add(source.node)
      nodes.push(source.node)
      stack.pop()
    } else {
      top.expanded = true
      for (const input of source.node.inputs.toReversed()) if (input !== undefined) stack.push({ tensor: input, expanded: false })
    }
  }
  return { nodes, leaves: [...leaves.values()] }
}

function nameValues(outputs: ReadonlyMap<string, Tensor>, nodes: readonly Node[]): Map<unknown, string> {
  const names = new Map<unknown, string>()
  for (const [name, tensor] of outputs) {
    if (tensor.source.kind === 'node' && !names.has(keyOf(tensor))) names.set(keyOf(tensor), name)
  }
  let count = 0
  const add = (key: unknown, name: string): void => {
    if (!names.has(key)) names.set(key, name)
  }
  const addLeaf = (tensor: Tensor | undefined): void => {
    if (tensor === undefined || tensor.source.kind === 'node') return
    add(keyOf(tensor), tensor.source.kind === 'constant' ? `constant_${count++}` : tensor.source.name)
  }
  for (const node of nodes) {
    node.inputs.forEach(addLeaf)
    for (let output = 0; output < node.outputs; output++) add(outputKey(node, output), `${node.type}_${count++}`)
  }
  for (const tensor of outputs.values()) addLeaf(tensor)
  return names
}

function writeNode(writer: ProtobufWriter, node: Node, names: ReadonlyMap<unknown, string>): void {
  for (const input of node.inputs) writer.text(1, input === undefined ? '' : names.get(keyOf(input))!)
  for (let output = 0; output < node.outputs; output++) writer.text(2, names.get(outputKey(node, output))!)
  writer.text(4, node.type)
  for (const [name, value] of Object.entries(node.attributes)) writer.message(5, (inner) => writeAttribute(inner, name, value))
  writer.text(7, node.domain)
}

function writeAttribute(writer: ProtobufWriter, name: string, value: AttributeValue): void {
  writer.text(1, name)
  if (typeof value === 'string') writer.bytes(4, new TextEncoder().encode(value)).integer(20, attributeType.string)
  else if (typeof value !== 'number') {
    for (const item of value) writer.integer(8, item)
    writer.integer(20, attributeType.ints)
  } else if (floatAttributes.has(name)) writer.float(2, value).integer(20, attributeType.float)
  else writer.integer(3, value).integer(20, attributeType.int)
}

function writeInitializer(writer: ProtobufWriter, tensor: Tensor, name: string, locate: (weight: string) => WeightLocation): void {
  for (const dim of tensor.shape) writer.integer(1, dim as number)
  writer.integer(2, onnxType[tensor.dtype]).text(8, name)
  if (tensor.source.kind === 'constant') writer.bytes(9, bytesOf(tensor.source.data))
  else {
    const { file, offset, length } = locate(name)
    const external = 1
    for (const [key, value] of Object.entries({ location: file, offset, length })) {
      writer.message(13, (entry) => entry.text(1, key).text(2, String(value)))
    }
    writer.integer(14, external)
  }
}

function bytesOf(data: ConstantData): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
}

function writeValueInfo(writer: ProtobufWriter, name: string, { dtype, shape }: Tensor): void {
  writer.text(1, name).message(2, (type) =>
    type.message(1, (tensorType) => {
      tensorType.integer(1, onnxType[dtype])
      tensorType.message(2, (shapeProto) => {
        for (const dim of shape) {
          shapeProto.message(1, (dimension) => {
            if (typeof dim === 'number') dimension.integer(1, dim)
            else dimension.text(2, dim)
          })
        }
      })
    }),
  )
}
