import { join } from 'node:path'

import { merge as mergeAdapter } from '../models/merge.ts'
import { resolveModel } from '../models/sources/source.ts'
import { choiceOption, defineCommand, required, usageError } from './command.ts'
import { showFetch } from './model-options.ts'
import { createProgress } from './progress.ts'

const usage = '--model MODEL --adapter DIR --output DIR [--format safetensors|gguf] [--dtype f32|bf16|f16] [--base original|dequantized]'
/** The types as they are written in files. */
const dtypes = { f32: 'F32', bf16: 'BF16', f16: 'F16' } as const

const self = { name: 'merge', usage }

/** `posttrain merge`: a model with an adapter's change written into its weights. */
export const merge = defineCommand({
  ...self,
  summary: 'write an adapter into the weights of its model',
  options: {
    model: { type: 'string', value: 'MODEL', help: 'a Hugging Face id, a directory, a .gguf file or package:NAME' },
    adapter: { type: 'string', value: 'DIR', help: 'the LoRA adapter (a directory in PEFT\'s form)' },
    output: { type: 'string', short: 'o', value: 'DIR', help: 'where the merged model goes; with --format gguf also a name that ends in .gguf' },
    format: { type: 'string', value: 'F', help: 'safetensors (default): a Hugging Face directory; gguf: one file for llama.cpp' },
    dtype: { type: 'string', value: 'T', help: 'f32, bf16 or f16 (default: as the base is stored, f32 if that is quantized)' },
    base: { type: 'string', value: 'B', help: 'original (default): the model as it is; dequantized: as the quantized base has it over which the adapter was trained' },
    precision: { type: 'string', value: 'P', help: 'int8, int4 or nf4: of the dequantized base (default: as the adapter\'s folder says)' },
  },
  positionals: 0,
  async run({ options, json, terminal }) {
    const ref = required(self, 'model', options.model)
    const adapter = required(self, 'adapter', options.adapter)
    const target = required(self, 'output', options.output)
    const dtype = choiceOption('dtype', options.dtype, ['f32', 'bf16', 'f16'])
    const base = choiceOption('base', options.base, ['original', 'dequantized']) ?? 'original'
    const precision = choiceOption('precision', options.precision, ['int8', 'int4', 'nf4'])
    if (precision !== undefined && base === 'original') throw usageError(self, '--precision goes with --base dequantized')
    const isFile = target.endsWith('.gguf')
    const format = choiceOption('format', options.format, ['safetensors', 'gguf']) ?? (isFile ? 'gguf' : 'safetensors')
    const output = format === 'gguf' && !isFile ? join(target, 'model.gguf') : target
    const progress = createProgress(terminal.log)
    const model = await resolveModel(ref, { onProgress: showFetch(progress) })
    progress.end()
    progress.note(`merging ${adapter} into ${ref} ...`)
    const merged = await mergeAdapter({
      model, adapter, output, format, base,
      ...(dtype !== undefined && { dtype: dtypes[dtype] }),
      ...(precision !== undefined && { precision }),
    })
    progress.note(`base: ${merged.base}${merged.precision === undefined ? '' : `, from ${merged.precision}`}`)
    terminal.out(json ? `${JSON.stringify({ output, format, ...merged })}\n` : `${output}\n`)
  },
})
