import { existsSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { UserError } from '../errors.ts'
import { adviseRun, type RunAdvice } from '../guide/advise-run.ts'
import { decisionTable, situationIds } from '../guide/decision-table.ts'
import type { StoreFacts } from '../guide/facts.ts'
import { advise as adviseOn, type EstimatedAdvice } from '../guide/library.ts'
import type { RunEstimate } from '../guide/run-estimate.ts'
import { storeFacts } from '../guide/store-facts.ts'
import { openStore } from '../store/index.ts'
import { choiceOption, defineCommand, numberOption, usageError } from './command.ts'
import { showFetch } from './model-options.ts'
import { createProgress } from './progress.ts'

const usage = '[--data FILE …] [--model MODEL] [--goal GOAL] [--write RECIPE.yaml] | --directory DIR | --run DIR'
const self = { name: 'advise', usage }

/** `posttrain advise`: which technique, and why, from the data that a team really has. */
export const advise = defineCommand({
  ...self,
  summary: 'say which technique to use, and why, from the data that is there',
  details: [
    'Looks at the rows: of which kind they are, how many, what contradicts itself, whether a program could check the answers.',
    'With --model also at their lengths, and at what training would take of time and memory. --directory looks at what a',
    'server has collected instead, --run at a run that has ended: what to change in the next one.',
    'Runs that have ended (in --runs) say which stage comes next: an offline method that has plateaued calls for reinforcement.',
    `Goals: ${decisionTable.map(({ id, situation }) => `${id} (${situation.toLowerCase()})`).join(', ')}.`,
  ].join('\n'),
  options: {
    data: { type: 'string', multiple: true, value: 'FILE', help: 'rows of any kind; may be given several times' },
    eval: { type: 'string', value: 'FILE', help: 'rows that are held out' },
    model: { type: 'string', value: 'MODEL', help: `the model to train (unless given, none is opened, and nothing is estimated)` },
    goal: { type: 'string', value: 'GOAL', help: 'what it is for, where the data do not say' },
    directory: { type: 'string', value: 'DIR', help: 'the folder that serve --directory has' },
    database: { type: 'string', value: 'URL', help: 'the PostgreSQL database that serve --database has' },
    run: { type: 'string', value: 'DIR', help: 'the folder of a run that has ended' },
    runs: { type: 'string', value: 'DIR', help: 'where runs of this model that have ended are (default runs)' },
    memory: { type: 'string', value: 'MB', help: 'for a machine with so much memory (default: this one)' },
    variants: { type: 'string', value: 'N', help: 'models that are to differ, as for N customers' },
    write: { type: 'string', value: 'FILE', help: 'write the recipe; of several, each with its number before the ending' },
  },
  positionals: 0,
  async run({ options, json, terminal }) {
    const { data, directory, run } = options
    if (run !== undefined) {
      if (data !== undefined || directory !== undefined || options.goal !== undefined) throw usageError(self, '--run looks at a run alone')
      const found = await adviseRun(run)
      if (options.write !== undefined) writeRecipes(options.write, found.recipe === null ? [] : [found.recipe])
      terminal.out(json ? `${JSON.stringify(found)}\n` : describeRun(found))
      return
    }
    if (data === undefined && directory === undefined && options.goal === undefined) {
      throw usageError(self, 'name the data (--data FILE), a server’s folder (--directory DIR) or a run (--run DIR)')
    }
    const progress = createProgress(terminal.log)
    const found = await adviseOn({
      data,
      eval: options.eval,
      model: options.model,
      goal: choiceOption('goal', options.goal, situationIds),
      runs: options.runs,
      memoryMb: numberOption('memory', options.memory, { min: 1 }),
      variants: numberOption('variants', options.variants, { min: 1, integer: true }),
      store: directory === undefined ? undefined : await factsOf(directory, options.database),
      onProgress: showFetch(progress),
    })
    progress.end()
    if (options.write !== undefined) writeRecipes(options.write, found.runs.map(({ yaml }) => yaml))
    terminal.out(json ? `${JSON.stringify(found)}\n` : describe(found, options.write))
  },
})

async function factsOf(directory: string, url: string | undefined): Promise<StoreFacts> {
  if (url === undefined && !existsSync(join(directory, 'store.sqlite'))) {
    throw new UserError(`${directory} has no store.sqlite: name the folder of a server.`, { exitCode: 2 })
  }
  await using store = await openStore({ directory: resolve(directory), url })
  return await storeFacts(store)
}

/** FILE, or for several FILE-1, FILE-2 …, the number before the ending. */
function writeRecipes(file: string, recipes: readonly string[]): void {
  if (recipes.length === 0) throw new UserError('There is no recipe to write: see the advice without --write.')
  recipes.forEach((yaml, i) => { writeFileSync(recipes.length === 1 ? file : numbered(file, i), yaml) })
}

function numbered(file: string, index: number): string {
  return file.replace(/(\.[^./\\]*)?$/, (ending) => `-${index + 1}${ending}`)
}

function describe({ decision, reasons, warnings, runs, next, estimates }: EstimatedAdvice, written: string | undefined): string {
  const head = decision === null ? ['Nothing to train yet.'] : [`${decision.recommended}: ${decision.situation}`, decision.why]
  const recipes = runs.flatMap(({ title, yaml, datasets }, i) => [
    '',
    `# ${runs.length > 1 ? `${i + 1}. ` : ''}${title}`,
    ...(estimates[i] == null ? [] : [`# ${estimateText(estimates[i])}`]),
    ...datasets.map((dataset) => `# a job of the server, by the Studio's New job; first: POST /v1/datasets ${JSON.stringify(dataset)}`),
    yaml.trimEnd(),
  ])
  return [
    ...head, '', ...bullets('Because', reasons), ...bullets('But', warnings), ...bullets('Next', next), ...recipes,
    ...(written === undefined ? [] : ['', `written to ${runs.length === 1 ? written : runs.map((_, i) => numbered(written, i)).join(', ')}`]), '',
  ].join('\n')
}

function bullets(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [`${title}:`, ...lines.map((line) => `- ${line}`)]
}

function estimateText({ steps, tokens, seconds, memoryMb, basis, precision }: RunEstimate): string {
  const time = seconds < 90 ? `${Math.max(1, Math.round(seconds))} seconds` : seconds < 5400 ? `${Math.round(seconds / 60)} minutes` : `${(seconds / 3600).toFixed(1)} hours`
  const answers = basis.answerTokens === undefined ? '' : `, answers of ${basis.answerTokens} tokens`
  return `about ${time} and ${memoryMb} MB: ${steps} steps, ${tokens} tokens${answers}, base in ${precision}`
}

function describeRun({ verdicts, recipe }: RunAdvice): string {
  return [...verdicts.map(({ text }) => `- ${text}`), ...(recipe === null ? [] : ['', '# the next run', recipe.trimEnd()]), ''].join('\n')
}
