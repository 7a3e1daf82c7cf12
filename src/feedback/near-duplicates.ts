/**
 * Texts that are nearly the same: MinHash (Broder 1997) by one permutation in bins (Li, Owen and Zhang 2012), empty bins filled
 * from their neighbours (Shrivastava and Li 2014), candidates by bands, each checked on its shingles.
 */
import { setImmediate } from 'node:timers/promises'

/** Characters of a shingle. */
const shingleLength = 5
const bins = 64
const bandRows = 4
/** Of a band's texts, those that a new one is compared with. */
const representatives = 4
/** Jaccard similarity of the shingles from which on two texts count as nearly the same. */
export const nearlySame = 0.8
/** A shingle that is in more than this share of the texts belongs to a form that is filled in, and tells nothing. */
const boilerplateShare = 0.2
const boilerplateTexts = 10
/** Milliseconds of work between two breaths of the event loop. */
const breath = 10

/** Groups of numbers that belong together. */
export class Groups {
  readonly #parent: Int32Array

  constructor(size: number) {
    this.#parent = Int32Array.from({ length: size }, (_, i) => i)
  }

  /** The least number of the group. */
  of(member: number): number {
    let root = member
    while (this.#parent[root] !== root) root = this.#parent[root]!
    for (let at = member; at !== root;) [at, this.#parent[at]] = [this.#parent[at]!, root]
    return root
  }

  /** @returns whether they were apart */
  join(a: number, b: number): boolean {
    const [first, second] = [this.of(a), this.of(b)]
    if (first === second) return false
    this.#parent[Math.max(first, second)] = Math.min(first, second)
    return true
  }
}

/** Groups of texts that are nearly the same, by their places in `texts`. Long work, in short pieces. */
export async function nearDuplicates(texts: readonly string[]): Promise<Groups> {
  const groups = new Groups(texts.length)
  const isBoilerplate = await boilerplate(texts)
  const bands = Array.from({ length: bins / bandRows }, () => new Map<number, number[]>())
  const pause = breathing()
  for (const [place, text] of texts.entries()) {
    await pause()
    const shingles = shinglesOf(text, isBoilerplate)
    if (shingles.size === 0) continue
    for (const [band, key] of bandKeys(signature(shingles)).entries()) {
      const others = bands[band]!.get(key)
      if (others === undefined) bands[band]!.set(key, [place])
      else {
        for (const other of others) {
          if (groups.of(other) !== groups.of(place) && similarity(shingles, shinglesOf(texts[other]!, isBoilerplate)) >= nearlySame) groups.join(other, place)
        }
        if (others.length < representatives) others.push(place)
      }
    }
  }
  return groups
}

/** Lets other work run when this has gone on for a while. */
export function breathing(): () => Promise<void> {
  let since = performance.now()
  return async () => {
    if (performance.now() - since < breath) return
    await setImmediate()
    since = performance.now()
  }
}

/** Counts of shingles' hashes, several of which share a counter: what is counted too often is left out of texts that have more. */
const counters = 2 ** 20

/** Whether a shingle, by its hash, is boilerplate. */
type IsBoilerplate = (hash: number) => boolean

async function boilerplate(texts: readonly string[]): Promise<IsBoilerplate> {
  const counts = new Uint32Array(counters)
  const pause = breathing()
  for (const text of texts) {
    await pause()
    for (const hash of new Set([...shingleHashes(text)].map((shingle) => shingle % counters))) counts[hash]!++
  }
  const most = Math.max(boilerplateTexts, boilerplateShare * texts.length)
  return (hash) => counts[hash % counters]! > most
}

/** A text that is boilerplate throughout keeps all of its shingles. */
function shinglesOf(text: string, isBoilerplate: IsBoilerplate): ReadonlySet<number> {
  const all = [...shingleHashes(text)]
  const telling = all.filter((hash) => !isBoilerplate(hash))
  return new Set(telling.length === 0 ? all : telling)
}

function* shingleHashes(text: string): Iterable<number> {
  const letters = text.normalize('NFKC').toLowerCase().replaceAll(/\s+/g, ' ').trim()
  for (let start = 0; start < Math.max(1, letters.length - shingleLength + 1); start++) {
    // FNV-1a, its bits spread afterwards.
    let hash = 0x811c9dc5
    for (let i = start; i < Math.min(start + shingleLength, letters.length); i++) hash = Math.imul(hash ^ letters.charCodeAt(i), 0x01000193)
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
    yield (hash ^ (hash >>> 13)) >>> 0
  }
}

/** The least hash in each bin; an empty bin takes the next one's, told apart by its distance. */
function signature(shingles: ReadonlySet<number>): Float64Array {
  const least = new Float64Array(bins).fill(Infinity)
  for (const hash of shingles) {
    const bin = hash % bins
    const rest = Math.floor(hash / bins)
    if (rest < least[bin]!) least[bin] = rest
  }
  return least.map((value, bin) => {
    let distance = 0
    while (least[(bin + distance) % bins] === Infinity) distance++
    return distance === 0 ? value : least[(bin + distance) % bins]! + distance * 2 ** 32
  })
}

function bandKeys(signature: Float64Array): number[] {
  return Array.from({ length: bins / bandRows }, (_, band) => {
    let key = 0
    for (let row = 0; row < bandRows; row++) key = Math.imul(key ^ (signature[band * bandRows + row]! % 2 ** 32), 0x9e3779b1) ^ (key >>> 15)
    return key
  })
}

/** Jaccard: what both have of what either has. */
function similarity(a: ReadonlySet<number>, b: ReadonlySet<number>): number {
  const shared = a.intersection(b).size
  return shared / (a.size + b.size - shared)
}
