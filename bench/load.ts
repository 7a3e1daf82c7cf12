import type { ClientsReport } from './load/clients.ts'
import type { FeedbackReport } from './load/feedback.ts'
import type { PeerFigures } from './load/peer.ts'
import type { TrainingReport } from './load/training.ts'
import { jsonLines, run } from './process.ts'
import { markdownTable } from './table.ts'

/** A server under load: answers, latencies and memory; llama.cpp beside it; feedback; a job that trains meanwhile. */
export async function benchLoad({ gguf, rounds }: { readonly gguf: string; readonly rounds: number }): Promise<string> {
  const measure = async <Figures>(part: string): Promise<Figures> => {
    const output = await run(process.execPath, ['bench/load/run.ts', part, '--model', gguf, '--rounds', String(rounds)])
    process.stderr.write(output)
    return (jsonLines(output)[0] as { figures: Figures }).figures
  }
  const peer = await measure<Record<string, PeerFigures>>('peer')
  const clients = await measure<ClientsReport>('clients')
  const feedback = await measure<FeedbackReport>('feedback')
  const training = await measure<TrainingReport[]>('training')
  return ['## Under load', peerText(peer), clientsText(clients), feedbackText(feedback), trainingText(training)].join('\n\n')
}

function peerText(figures: Readonly<Record<string, PeerFigures>>): string {
  const peer = figures['node-llama-cpp, Q4_1']!
  const rows = Object.entries(figures).map(([name, { tokensPerSecond, p50, p95 }]) =>
    [name, tokensPerSecond.toFixed(0), `${(tokensPerSecond / peer.tokensPerSecond).toFixed(2)}x`, seconds(p50), seconds(p95), `${(p95 / peer.p95).toFixed(2)}x`])
  const header = ['', 'tokens/s', 'ratio', 'answer, p50', 'answer, p95', 'ratio']
  return `64 clients at once, 128 requests, 32 to 64 new tokens each; this server over HTTP, llama.cpp within its process, a sequence for each client.\n\n${markdownTable(header, rows)}`
}

function clientsText(figures: ClientsReport): string {
  const { answered, cancelled, lost, identical, near, wrong, mixed, largestGap, tokensPerSecond, latency, firstToken, interToken, memory } = figures
  const nearText = near === 0 ? '' : `, ${near} left it where two tokens were nearly as likely (by at most ${largestGap.toFixed(4)} in log-probability)`
  return [
    '64 clients for 2 minutes: short and long prompts, prompts that begin alike, the base and four adapters, half of them streams, a fifth given up.',
    `Of ${answered} answers ${identical} are the one given alone, to the bit${nearText}, ${wrong} wrong. ${cancelled} were given up, ${lost} lost,`,
    `${mixed} had something of another's prompt.`,
    `${tokensPerSecond.toFixed(0)} tokens/s; answers ${seconds(latency.p50)} at the median and ${seconds(latency.p95)} at p95, first tokens ${seconds(firstToken.p50)} and ${seconds(firstToken.p95)},`,
    `${interToken.p95.toFixed(0)} ms between two tokens at p95. Memory ${memory.firstMb.toFixed(0)} MB at first and ${memory.lastMb.toFixed(0)} MB in the end; in the second minute ${memory.slopeMbPerMinute.toFixed(0)} MB a minute.`,
  ].join(' ')
}

function feedbackText({ count, p50, p95, p99, acknowledged, lost, doubled, tokensPerSecond }: FeedbackReport): string {
  return `500 events of feedback a second while 8 streams decode (${tokensPerSecond.toFixed(0)} tokens/s), each acknowledged after its commit: ` +
    `${p50.toFixed(1)} ms at the median, ${p95.toFixed(1)} ms at p95, ${p99.toFixed(1)} ms at p99 of ${count}. ` +
    `After kill -9 ${lost} of ${acknowledged} that were acknowledged were missing, ${doubled} were there twice.`
}

function trainingText(reports: readonly TrainingReport[]): string {
  const rows = reports.map(({ streams, idle, training, ratio, idleFirst, trainingFirst }) =>
    [String(streams), `${idle.toFixed(1)} ms`, `${training.toFixed(1)} ms`, `${ratio.toFixed(2)}x`, `${idleFirst.toFixed(0)} ms`, `${trainingFirst.toFixed(0)} ms`])
  const header = ['streams', 'between two tokens, p95', 'while a job trains', 'ratio', 'first token, p95', 'while a job trains']
  return `The time between two tokens while a job trains the same base.\n\n${markdownTable(header, rows)}`
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(1)} s`
}
