/**
 * Texts that are nearly the same: MinHash (Broder 1997) by one permutation in bins (Li, Owen and Zhang 2012), empty bins filled
 * from their neighbours (Shrivastava and Li 2014), candidates by bands, each checked on its shingles.
 */
import { breathing } from './breathing.ts'

/** Characters of a shingle. */
const shingleLength = 5
const bins = 64
const bandRows = 4
/** Of a band's texts, those that a new one is compared with. */
const representatives = 4
/** Jaccard similarity of the shingles from which on two texts count as nearly the same. */
export const nearlySame = 0.8
/** Agreement of the signatures, an estimate of that, from which on two texts are compared themselves. */
const worthChecking = 0.5
/** A shingle that is in more than this share of the texts belongs to a form that is filled in, and tells nothing. */
const boilerplateShare = 0.2
const boilerplateTexts = 10

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
  const signatures: Uint32Array[] = []
  const pause = breathing()
  for (const [place, text] of texts.entries()) {
    await pause()
    const signature = signatureOf(tellingShingles(text, isBoilerplate))
    signatures.push(signature)
    for (const [band, others] of bands.entries()) {
      const key = bandKey(signature, band)
      const before = others.get(key)
      if (before === undefined) {
        others.set(key, [place])
        continue
      }
      for (const other of before) {
        if (groups.of(other) === groups.of(place) || agreement(signature, signatures[other]!) < worthChecking) continue
        const [a, b] = [text, texts[other]!].map((each) => tellingShingles(each, isBoilerplate))
        if (similarity(a!, b!) >= nearlySame) groups.join(other, place)
      }
      if (before.length < representatives) before.push(place)
    }
  }
  return groups
}

/** Counts of shingles' hashes, several of which share a counter: what is counted too often is left out of texts that have more. */
const counters = 2 ** 20

/** Whether a shingle, by its hash, is boilerplate. */
type IsBoilerplate = (hash: number) => boolean

async function boilerplate(texts: readonly string[]): Promise<IsBoilerplate> {
  const counts = new Uint32Array(counters)
  /** The last text that each counter has counted: a text counts once, however often it says the same. */
  const countedIn = new Uint32Array(counters)
  const pause = breathing()
  for (const [place, text] of texts.entries()) {
    await pause()
    for (const hash of shinglesOf(text)) {
      const counter = hash % counters
      if (countedIn[counter] === place + 1) continue
      countedIn[counter] = place + 1
      counts[counter]!++
    }
  }
  const most = Math.max(boilerplateTexts, boilerplateShare * texts.length)
  return (hash) => counts[hash % counters]! > most
}

/** Those that are not boilerplate; a text that is boilerplate throughout keeps all of its shingles. */
function tellingShingles(text: string, isBoilerplate: IsBoilerplate): Uint32Array {
  const all = shinglesOf(text)
  const telling = all.filter((hash) => !isBoilerplate(hash))
  return telling.length === 0 ? all : telling
}

/** An odd number, so that no bit of a character is lost. */
const base = 0x01000193
const baseToLength = Array.from({ length: shingleLength }).reduce<number>((power) => Math.imul(power, base), 1)

/** The hash of each run of characters: a polynomial that rolls on (Karp and Rabin 1987), its bits spread afterwards. */
function shinglesOf(text: string): Uint32Array {
  const letters = text.normalize('NFKC').toLowerCase().replaceAll(/\s+/g, ' ').trim()
  const hashes = new Uint32Array(Math.max(1, letters.length - shingleLength + 1))
  let rolling = 0
  for (let end = 0; end < letters.length; end++) {
    rolling = (Math.imul(rolling, base) + letters.charCodeAt(end)) | 0
    if (end >= shingleLength) rolling = (rolling - Math.imul(baseToLength, letters.charCodeAt(end - shingleLength))) | 0
    hashes[Math.max(0, end - shingleLength + 1)] = spread(rolling)
  }
  return hashes
}

/** Every bit of a number over all of them (MurmurHash3's finalizer). */
function spread(value: number): number {
  const half = Math.imul(value ^ (value >>> 16), 0x85ebca6b)
  const whole = Math.imul(half ^ (half >>> 13), 0xc2b2ae35)
  return (whole ^ (whole >>> 16)) >>> 0
}

const nothing = 0xffff_ffff

/** The least hash in each bin; an empty bin takes that of the next one which has any, changed by their distance. */
function signatureOf(shingles: Uint32Array): Uint32Array {
  const least = new Uint32Array(bins).fill(nothing)
  for (const hash of shingles) {
    const bin = hash % bins
    if (hash < least[bin]!) least[bin] = hash
  }
  return least.map((value, bin) => {
    let distance = 0
    while (distance < bins && least[(bin + distance) % bins] === nothing) distance++
    return distance === 0 ? value : spread(least[(bin + distance) % bins]! + distance)
  })
}

function bandKey(signature: Uint32Array, band: number): number {
  let key = 0
  for (let row = 0; row < bandRows; row++) key = spread(key ^ signature[band * bandRows + row]!)
  return key
}

/** Share of the bins in which two signatures agree: about the similarity of their texts. */
function agreement(a: Uint32Array, b: Uint32Array): number {
  let same = 0
  for (let bin = 0; bin < bins; bin++) same += Number(a[bin] === b[bin])
  return same / bins
}

/** Jaccard: what both have of what either has. */
function similarity(a: Uint32Array, b: Uint32Array): number {
  const [first, second] = [new Set(a), new Set(b)]
  const shared = first.intersection(second).size
  return shared / (first.size + second.size - shared)
}
