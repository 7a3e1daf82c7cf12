/** What a team should know before it trains. */
import type { DataFacts, Facts } from './facts.ts'
import { countOf, labelsOf, percent, usableMemory, type Finding } from './situation.ts'

/** Fewer rows than these are learned by heart. */
const fewRows: Readonly<Record<DataFacts['kind'], number>> = { sft: 100, pairs: 100, labelled: 100, prompts: 50 }
/** From this share of pairs on, the length of an answer tells which one is chosen. */
const tellingShare = 0.65

export function warningsFor(facts: Facts, finding: Finding): string[] {
  const { data } = finding
  return [
    ...data.flatMap(ofFile), ...tooFew(data), ...balance(data), ...heldOut(facts, finding), ...memory(facts), ...general(finding),
  ]
}

function ofFile({ name, rows, broken, fault, duplicates, conflicts, chosenLonger }: DataFacts): string[] {
  return [
    ...(broken > 0 ? [`${name}: ${broken} rows cannot be used; training refuses the file until they are mended${fault === undefined ? '' : ` (the first: ${fault})`}.`] : []),
    ...(duplicates > 0 ? [`${name}: ${duplicates} rows say the same as another one: they count that much more.`] : []),
    ...(conflicts > 0 ? [`${name}: ${conflicts} rows contradict another one: the same answer judged both ways. Decide, or leave both out.`] : []),
    ...(chosenLonger !== undefined && rows >= 20 && Math.max(chosenLonger, 1 - chosenLonger) >= tellingShare
      ? [`${name}: the chosen answer is the ${chosenLonger > 0.5 ? 'longer' : 'shorter'} one in ${percent(Math.max(chosenLonger, 1 - chosenLonger))} of the pairs: length may be learned in place of quality.`]
      : []),
  ]
}

function tooFew(data: readonly DataFacts[]): string[] {
  const [first] = data
  if (first === undefined) return []
  const ofKind = data.filter(({ kind }) => kind === first.kind)
  const rows = countOf(ofKind)
  return rows < fewRows[first.kind] ? [`${rows} rows are few: what is learned of them may be their wording. A few hundred are a good start.`] : []
}

/** Beyond this ratio KTO's weights no longer make up for what is missing. */
const mostUneven = 10

function balance(data: readonly DataFacts[]): string[] {
  const labelled = data.filter(({ labels }) => labels !== undefined)
  if (labelled.length === 0) return []
  const { up, down } = labelsOf(labelled)
  if (up === 0 || down === 0) return [`All ${up + down} thumbs are ${up === 0 ? 'down' : 'up'}: KTO learns from both, so there is no recipe yet.`]
  const ratio = Math.max(up, down) / Math.min(up, down)
  if (ratio > mostUneven) return [`${up} thumbs up and ${down} down: the weights of the recipe make up for the numbers, not for what ${Math.min(up, down)} answers cannot show.`]
  if (ratio > 4 / 3) return [`${up} thumbs up and ${down} down: the recipe weighs the rarer ones by ${(Math.round(10 * ratio) / 10).toString()}.`]
  return []
}

function heldOut({ heldOut: held }: Facts, { data }: Finding): string[] {
  if (data.length === 0) return []
  if (held === undefined) {
    return data.every((file) => file.holdsOut === true) ? []
      : ['No rows are held out: nobody will know whether training helped. Keep a tenth of the rows back and name them as eval.']
  }
  return held.leaked > 0 ? [`${held.leaked} of the ${held.rows} held-out rows have a prompt that is trained on: what they measure is memory.`] : []
}

function memory({ memoryMb, machine }: Facts): string[] {
  if (memoryMb === undefined || memoryMb.fourBit <= usableMemory * machine.memoryMb) return []
  return [`Even over a base in 4 bits a run takes about ${memoryMb.fourBit} MB, and this machine has ${machine.memoryMb} MB: take a smaller model, shorter rows or a smaller tokens_per_micro_batch.`]
}

function general({ situation }: Finding): string[] {
  return situation === 'domain' || situation === 'format' || situation === 'forgetting' || situation === 'variants'
    ? ['Mix in some general rows, about one in sixteen: without them narrow data make the model forget (examples/forgetting).'] : []
}
