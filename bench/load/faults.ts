/**
 * kill -9 of a server, and of the processes of its jobs, at random moments under a load of completions, feedback, datasets
 * and jobs; then everything that was acknowledged is looked for.
 *
 *     npm run faults [-- --server-kills 10 --job-kills 10 --jobs 4 --steps 60 --seed N]
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Random } from '../../src/random.ts'
import { runFaults } from '../../src/server/fixtures/fault-session.ts'

const { values: flags } = parseArgs({
  options: {
    'server-kills': { type: 'string', default: '10' },
    'job-kills': { type: 'string', default: '10' },
    jobs: { type: 'string', default: '4' },
    steps: { type: 'string', default: '60' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 32) },
  },
})
const random = new Random(Number(flags.seed))
const directory = await mkdtemp(join(tmpdir(), 'posttrain-faults-'))
process.stderr.write(`seed ${flags.seed}\n`)
try {
  const report = await runFaults({
    directory,
    serverKills: Number(flags['server-kills']),
    jobKills: Number(flags['job-kills']),
    jobs: Number(flags.jobs),
    steps: Number(flags.steps),
    pause: 2500,
    random: () => random.uniform(),
    log: (line) => { process.stderr.write(`${line}\n`) },
  })
  console.log(JSON.stringify(report))
} finally {
  await rm(directory, { recursive: true })
}
