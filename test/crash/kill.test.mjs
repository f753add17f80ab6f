/*
 * Uploads under SIGKILL: 25 rounds of test/crash/kill.mjs, ROUNDS= for
 * another number.  A failed run is repeated by the SEED that it prints.
 */
import { after, describe, test } from 'node:test';

import { Totals, killRound, roundLine } from './kill.mjs';

const rounds = Number(process.env.ROUNDS || 25);
const seed = process.env.SEED || String(Date.now() % 1000000);
const totals = new Totals();

describe(`killed at random, SEED=${seed}`, { timeout: 3600000 }, () => {
    for (let number = 1; number <= rounds; number++) {
        test(`round ${number}`, async (t) => {
            const result = await killRound(seed, number);
            totals.add(result);
            t.diagnostic(roundLine(number, result));
        });
    }
    after(() => console.log(`SEED=${seed}: ${totals}`));
});
