/** A model's tokens as a tree of their bytes, to find those that a text may go on with. */
import type { TokenBytes } from '../../models/tokenizer/token-bytes.ts'
import type { Automaton, State } from './automaton.ts'

/** Longer tokens are never generated in a format; shorter ones spell the same. It bounds how far a token can see ahead. */
export const longestToken = 32

/** Tokens of no text have none; those of equal bytes share a place. */
export class Vocabulary {
  /** Of each token its bytes; undefined for control tokens and what else is no text. */
  readonly bytes: readonly (Uint8Array | undefined)[]
  /** A text's first space is not printed. */
  readonly dropsFirstSpace: boolean
  readonly #words: number
  /** The tree's nodes, each before those below it: its byte, how deep it is, and where the next node is that is not below it. */
  readonly #byte: Uint8Array
  readonly #depth: Uint8Array
  readonly #skip: Int32Array
  /** The tokens that end at a node are those from its first to the next node's. */
  readonly #first: Int32Array
  readonly #tokens: Int32Array

  /** @param size of the model's logits; tokens beyond it do not exist */
  constructor({ tokens, dropsFirstSpace }: TokenBytes, size: number) {
    this.bytes = tokens.slice(0, size)
    this.dropsFirstSpace = dropsFirstSpace
    this.#words = Math.ceil(size / 32)
    const sorted = sortedTokens(this.bytes)
    const nodes = treeNodes(sorted.map(({ key }) => key))
    this.#byte = Uint8Array.from(nodes, ({ byte }) => byte)
    this.#depth = Uint8Array.from(nodes, ({ depth }) => depth)
    this.#skip = Int32Array.from(nodes, ({ skip }) => skip)
    this.#first = Int32Array.from([...nodes.map(({ first }) => first), sorted.length])
    this.#tokens = Int32Array.from(sorted, ({ id }) => id)
  }

  /**
   * The tokens that the text may go on with, a bit for each id.
   * @throws FormatTooLarge where the search takes too long
   */
  allowed(automaton: Automaton, start: State): Uint32Array {
    const mask = new Uint32Array(this.#words)
    const path: State[] = [start]
    automaton.beginSearch()
    for (let node = 0; node < this.#byte.length;) {
      const depth = this.#depth[node]!
      const from = path[depth]!
      const known = from.next?.[this.#byte[node]!]
      const to = known === undefined ? automaton.step(from, this.#byte[node]!) : known
      if (to === null) {
        node = this.#skip[node]!
        continue
      }
      path[depth + 1] = to
      for (let i = this.#first[node]!; i < this.#first[node + 1]!; i++) flipBit(mask, this.#tokens[i]!)
      node++
    }
    return mask
  }
}

export function hasBit(mask: Uint32Array, id: number): boolean {
  return ((mask[id >>> 5]! >>> (id & 31)) & 1) === 1
}

export function flipBit(mask: Uint32Array, id: number): void {
  mask[id >>> 5]! ^= 1 << (id & 31)
}

interface KeyedToken {
  readonly id: number
  /** A character for each byte. */
  readonly key: string
}

function sortedTokens(bytes: readonly (Uint8Array | undefined)[]): KeyedToken[] {
  return bytes
    .flatMap((token, id) => {
      if (token === undefined || token.length === 0 || token.length > longestToken) return []
      return [{ id, key: Buffer.from(token).toString('latin1') }]
    })
    .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : a.id - b.id))
}

interface TreeNode {
  readonly byte: number
  readonly depth: number
  skip: number
  /** How many tokens come before those that end here. */
  readonly first: number
}

/** @param keys sorted */
function treeNodes(keys: readonly string[]): TreeNode[] {
  const nodes: TreeNode[] = []
  const open: TreeNode[] = []
  const close = (depth: number): void => {
    while (open.length > depth) open.pop()!.skip = nodes.length
  }
  keys.forEach((key, first) => {
    let depth = 0
    while (depth < open.length && depth < key.length && open[depth]!.byte === key.charCodeAt(depth)) depth++
    close(depth)
    for (; depth < key.length; depth++) {
      const node = { byte: key.charCodeAt(depth), depth, skip: 0, first }
      nodes.push(node)
      open.push(node)
    }
  })
  close(0)
  return nodes
}
