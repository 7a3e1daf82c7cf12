/** What a team should know before it trains. */
import { methods } from '../methods/index.ts'
import type { DataFacts, Facts, HeldOutFacts } from './facts.ts'
import { fitOf } from './fit.ts'
import { heaviestThumb, thumbWeight, type PlannedRun } from './recipes.ts'
import { countOf, kindsOfGoal, labelsOf, percent, type Finding } from './situation.ts'

/** Fewer rows than these are learned by heart. */
const fewRows: Readonly<Record<DataFacts['kind'], number>> = { sft: 100, pairs: 100, labelled: 100, prompts: 50 }
/** From this share of pairs on, the length of an answer tells which one is chosen. */
const tellingShare = 0.65

export function warningsFor(facts: Facts, finding: Finding, runs: readonly PlannedRun[]): string[] {
  const { data } = finding
  return [
    ...data.flatMap(ofFile), ...tooFew(data), ...balance(data), ...missing(finding, runs), ...heldOut(facts, data, runs), ...cut(facts, data), ...general(finding),
  ]
}

/** Why there is no recipe for a goal that was named. */
function missing({ situation, data }: Finding, runs: readonly PlannedRun[]): string[] {
  if (situation === null || runs.length > 0 || data.some(({ kind }) => kind === 'labelled')) return []
  if (situation === 'reasoning' && data.length > 0) {
    return ['No field of the rows has a right answer that a program can compare, so there is no recipe yet: write a grader (docs/graders.md) and name it as grpo.reward.']
  }
  const rows = { sft: 'answers as they should be', labelled: 'answers with a thumb', pairs: 'pairs of a better and a worse answer', prompts: 'prompts with their right answers' }
  return [`There is no recipe yet: it takes ${rows[kindsOfGoal[situation][0]!]}, ten of them at the least.`]
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

function balance(data: readonly DataFacts[]): string[] {
  const labelled = data.filter(({ labels }) => labels !== undefined)
  if (labelled.length === 0) return []
  const { up, down } = labelsOf(labelled)
  if (up === 0) return [`All ${down} thumbs are down: KTO learns from both, so there is no recipe yet. Corrections, or answers that people like, are missing.`]
  if (down === 0) return [`All ${up} thumbs are up: KTO learns from both, so there is no recipe yet. Without their labels the rows are demonstrations, for SFT.`]
  const weight = thumbWeight({ up, down })
  if (weight === 1) return []
  const numbers = `${up} thumbs up and ${down} down: the recipe weighs the rarer ones by ${weight}`
  return [weight < heaviestThumb ? `${numbers}.` : `${numbers}, which makes up for their number, not for what ${Math.min(up, down)} answers cannot show.`]
}

function heldOut({ heldOut: held }: Facts, data: readonly DataFacts[], runs: readonly PlannedRun[]): string[] {
  if (data.length === 0) return []
  if (held === undefined) {
    return data.every((file) => file.holdsOut === true) ? []
      : ['No rows are held out: nobody will know whether training helped. Keep a tenth of the rows back and name them as eval.']
  }
  const kinds = runs.map(({ recipe }) => methods[recipe.method]!.rows)
  return [
    ...(runs.length > 0 && !kinds.includes(held.kind) ? [`The held-out rows are ${held.kind} rows, and ${runs[0]!.recipe.method} takes ${kinds[0]}: they are not used.`] : []),
    ...(held.broken > 0 ? [`${held.name}: ${held.broken} held-out rows cannot be used; training refuses the file until they are mended.`] : []),
    ...(held.leaked > 0 ? [leakage(held)] : []),
  ]
}

function leakage({ leaked, rows }: HeldOutFacts): string {
  return `${leaked} of the ${rows} held-out rows have a prompt that is trained on: what they measure is memory.`
}

/** Rows that are longer than what the machine can train on. */
function cut(facts: Facts, data: readonly DataFacts[]): string[] {
  const { longest, maxLength, wantedMb } = fitOf(facts, data)
  if (data.length === 0 || longest <= maxLength) return []
  const reason = maxLength === facts.model.config?.maxPositions ? 'the model goes no further'
    : `${wantedMb} MB would be needed for them, and this machine has ${facts.machine.memoryMb} MB`
  return [`The longest row has ${longest} tokens, and the recipe cuts rows after ${maxLength}: ${reason}.`]
}

function general({ situation }: Finding): string[] {
  return situation === 'domain' || situation === 'format' || situation === 'forgetting' || situation === 'variants'
    ? ['Mix in some general rows, about one in sixteen: without them narrow data make the model forget (examples/forgetting).'] : []
}
