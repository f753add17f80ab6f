/*
 * Rounds of uploads under SIGKILL.
 *
 * In each round a fresh httpd serves 16 clients, every one with a file of
 * 1 to 64 MiB, while children and now and then the whole server are killed at
 * random moments.  A client believes nothing but answers: it goes on from the
 * offset that the server reports, and that must never be less than what was
 * acknowledged before.  Now and then a client leaves a *ghost* behind: a
 * second connection with a chunk of other bytes for the same place, which goes
 * on sending after the upload has moved on or is complete.
 *
 * At the end of a round every stored file must be what was sent, and nothing
 * may be left over but uploads whose id no client ever learned.
 *
 * Everything that is chosen follows from the seed and the round's number;
 * what the kernel does in between does not.
 *
 *   node kill.mjs [ROUNDS] [SEED] [FIRST]    the soak; see also kill.test.mjs
 */
import assert from 'node:assert/strict';
import { createCipheriv, createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { Wire, head, md5, sha256, sha256File } from '../http/client.mjs';
import { sleep, startServer, until } from '../http/server.mjs';
import { newestSlot } from '../http/statefile.mjs';
import { DIALECTS } from './dialects.mjs';

const CLIENTS = 16;
const KIB = 1 << 10;
const MIB = 1 << 20;
const LARGEST = 64 * MIB;
const STUCK_MS = 60000; /* a client that is not through after the last kill */

/* --- chance, repeatable --- */

class Chance {
    constructor(...seed)
    {
        this.state = createHash('md5').update(seed.join(' ')).digest()
            .readUInt32LE(0);
    }

    /** 0 <= x < 1 (mulberry32). */
    next()
    {
        this.state = (this.state + 0x6d2b79f5) >>> 0;
        let t = this.state;
        t = Math.imul(t ^ (t >>> 15), t | 1);
        t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
        return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
    }

    hit(probability)
    {
        return this.next() < probability;
    }

    within(low, high)
    {
        return low + Math.floor(this.next() * (high - low + 1));
    }

    /** Every order of magnitude is as likely as any other. */
    magnitude(low, high)
    {
        return Math.round(low * (high / low) ** this.next());
    }

    pick(list)
    {
        return list[Math.floor(this.next() * list.length)];
    }
}

/* One sea of random bytes; files and ghosts are windows onto it. */
let sea = null;

function seaOf(seed)
{
    if (sea?.seed !== seed) {
        const key = createHash('md5').update(`sea ${seed}`).digest();
        const cipher = createCipheriv('aes-128-ctr', key, Buffer.alloc(16));
        sea = { seed, bytes: cipher.update(Buffer.alloc(LARGEST + 16 * MIB)) };
    }
    return sea.bytes;
}

/* --- clients --- */

/** The connection went: what a client survives.  All else is a failure. */
function isLoss(error)
{
    return /^connection ended/.test(error.message)
        || ['ECONNREFUSED', 'ECONNRESET', 'EPIPE'].includes(error.code);
}

class Client {
    constructor(round, number)
    {
        this.round = round;
        this.chance = new Chance(round.seed, round.number, 'client', number);
        const c = this.chance;
        const bytes = seaOf(round.seed);
        const size = number === 0 && round.number % 5 === 1 ? LARGEST
            : c.magnitude(MIB, c.magnitude(4 * MIB, LARGEST));
        const from = c.within(0, bytes.length - size);
        this.dialect = DIALECTS[(number + round.number) % DIALECTS.length];
        this.data = bytes.subarray(from, from + size);
        this.junk = bytes.subarray((from + 12345) % (8 * MIB));
        /* small chunks mean many commits, large ones long connections */
        this.chunkMax = c.magnitude(128 * KIB, 8 * MIB);
        this.up = { id: undefined, size, name: `file-${number}.bin`,
                    md5: md5(this.data) };
        this.acked = 0;     /* the most any answer ever said */
        this.offset = 0;    /* where to go on */
        this.inFlight = 0;  /* end of the chunk whose answer is awaited */
        this.done = false;
        this.wire = null;
        this.ghosts = [];
    }

    drop()
    {
        this.wire?.close();
        this.wire = null;
    }

    /* One request on the client's connection, in one or two pieces. */
    async ask(request)
    {
        const body = request.body ?? Buffer.alloc(0);
        this.wire ??= await Wire.open(this.round.server);
        await this.wire.write(head(request.method, request.path,
            { ...request.headers, 'Content-Length': body.length }));
        if (body.length > 0 && this.chance.hit(0.3)) {
            const cut = this.chance.within(0, body.length);
            await this.wire.write(body.subarray(0, cut));
            await sleep(this.chance.within(0, 20));
            await this.wire.write(body.subarray(cut));
        } else if (body.length > 0) {
            await this.wire.write(body);
        }
        const answer = await this.wire.answer({
            head: request.method === 'HEAD' });
        if (answer.headers.connection === 'close' || this.chance.hit(0.1)) {
            this.drop();
        }
        return answer;
    }

    async chunk()
    {
        const start = this.offset;
        const size = Math.min(this.up.size - start,
                              this.chance.magnitude(16 * KIB, this.chunkMax));
        this.inFlight = start + size;
        const answer = await this.ask(this.dialect.chunk(this.up, start,
            this.data.subarray(start, start + size)));
        const { id, offset, refused } = this.dialect.taken(answer, this.up);
        if (refused) {
            /* a ghost's request may be read after ours and be the newest */
            assert.ok(this.ghosts.length > 0, answer.text);
            assert.equal(offset, this.acked, answer.text);
            this.round.count.refused++;
            return;
        }
        assert.equal(offset, start + size, 'what was sent is acknowledged');
        this.up.id ??= id;
        assert.equal(id, this.up.id);
        this.acked = offset;
        this.offset = offset;
        await this.haunt();
    }

    /* Where does the server stand?  Never below what it acknowledged. */
    async where()
    {
        const { dialect } = this;
        const { offset, done } = dialect.at(await this.ask(
            dialect.where(this.up)));
        assert.ok(offset >= this.acked, `upload ${this.up.id}: ${offset} is `
            + `reported, ${this.acked} had been acknowledged`);
        assert.ok(dialect.partial ? offset <= this.inFlight
            : offset === this.acked || offset === this.inFlight,
            `upload ${this.up.id}: ${offset} is reported; acknowledged `
            + `${this.acked}, on the way ${this.inFlight}`);
        assert.ok(!done || offset === this.up.size);
        this.acked = offset;
        this.offset = offset;
        this.inFlight = offset;
    }

    /* --- ghosts --- */

    /* Other bytes for the same place, not all of them yet. */
    async leaveGhost()
    {
        const size = Math.min(this.up.size - this.offset,
                              this.chance.magnitude(16 * KIB, 2 * MIB));
        if (size === 0) {
            return;
        }
        const request = this.dialect.chunk(this.up, this.offset,
                                           this.junk.subarray(0, size));
        const cut = Math.floor(request.body.length
                               * this.chance.within(1, 9) / 10);
        const wire = await Wire.open(this.round.server);
        this.ghosts.push({ wire, rest: request.body.subarray(cut),
                           wait: this.chance.within(1, 6), at: this.offset });
        this.round.count.ghosts++;
        await wire.write(head(request.method, request.path,
            { ...request.headers, 'Content-Length': request.body.length }));
        await wire.write(request.body.subarray(0, cut));
        await sleep(this.chance.within(0, 5));
        await this.where();
    }

    /* Ghosts whose time has come send on; they must never succeed. */
    async haunt({ all = false } = {})
    {
        const due = this.ghosts.filter((g) => --g.wait <= 0 || all);
        this.ghosts = this.ghosts.filter((g) => !due.includes(g));
        for (const ghost of due) {
            await ghost.wire.write(ghost.rest);
            try {
                const answer = await ghost.wire.answer();
                assert.notEqual(Math.floor(answer.status / 100), 2,
                    `a superseded chunk at ${ghost.at} of ${this.up.id} was `
                    + `taken: ${answer.text}`);
                this.round.count.ghostsRefused++;
            } catch (error) {
                if (!isLoss(error)) {
                    throw error;
                }
            } finally {
                ghost.wire.close();
            }
        }
    }

    /* --- the whole of it --- */

    async step()
    {
        if (this.lost) {
            if (this.up.id === undefined) {
                this.round.count.unlearnt++;
                this.offset = 0;
            } else {
                await this.where();
                this.round.count.resumes++;
            }
            this.lost = false;
        } else if (this.offset < this.up.size) {
            /* where bytes of a broken request count, a ghost's would, too */
            if (this.up.id !== undefined && !this.dialect.partial
                && this.chance.hit(0.02)) {
                await this.leaveGhost();
            }
            await this.chunk();
        } else {
            this.dialect.finished(await this.ask(this.dialect.finish(
                this.up)));
            this.done = true;
            await this.haunt({ all: true });
        }
    }

    async run()
    {
        /* uploads begin and end all the time, not all at once */
        await sleep(this.chance.within(0, 1000));
        for (let tries = 0; !this.done; tries++) {
            try {
                assert.ok(!this.round.late(),
                          `upload ${this.up.id} is stuck at ${this.offset}`);
                await this.step();
                tries = 0;
            } catch (error) {
                this.drop();
                if (!isLoss(error)) {
                    error.message = `${this.up.name}, ${this.dialect.name}: ${
                        error.message}`;
                    throw error;
                }
                this.lost = true;
                await sleep(10 + Math.min(tries, 10) * 10);
            }
        }
        this.drop();
    }

    end()
    {
        this.drop();
        this.ghosts.forEach((ghost) => ghost.wire.close());
    }
}

/* --- killing --- */

async function killChildren(round, some)
{
    const { server } = round;
    const before = server.children();
    const gone = before.filter(() => some.all
                               || round.chance.hit(some.probability));
    if (gone.length === 0 && before.length > 0) {
        gone.push(round.chance.pick(before));
    }
    for (const pid of gone) {
        try {
            process.kill(pid, 'SIGKILL');
        } catch (error) {
            assert.equal(error.code, 'ESRCH'); /* it was ending anyway */
        }
    }
    round.count.kills += gone.length;
    await until('an answer', () => server.answers());
}

async function killServer(round)
{
    round.count.kills += round.server.children().length + 1;
    round.count.restarts++;
    await round.server.killAll();
    await sleep(round.chance.within(0, 100));
    await round.server.start();
}

async function kill(round)
{
    const { chance } = round;
    const strokes = chance.within(5, 9);
    for (let i = 0; i < strokes; i++) {
        await sleep(chance.within(20, 350));
        if (round.clients.every((client) => client.done)) {
            break;
        }
        const what = chance.next();
        if (what < 0.2) {
            await killServer(round);
        } else if (what < 0.3) {
            await killChildren(round, { all: true });
        } else {
            await killChildren(round, { probability:
                round.mpm === 'prefork' ? 0.4 : 0 });
        }
    }
    round.killedAt = Date.now();
}

/* --- looking at what is left --- */

function filesBelow(directory)
{
    return fs.readdirSync(directory, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => path.join(entry.parentPath ?? entry.path, entry.name));
}

/* fsck's complaints may only be about uploads that no client knows. */
function repair(round)
{
    const { server } = round;
    const known = new Set(round.clients.map((client) => client.up.id));
    /* what may be a creation under way is left alone while it is young */
    for (const file of filesBelow(server.stateDir)) {
        if (file.endsWith('.new')) {
            fs.utimesSync(file, 0, 0);
        }
    }
    const first = server.ctl('fsck');
    const lines = first.stdout.trim().split('\n');
    const sum = /^(\d+) uploads, (\d+) problems, 0 repaired, (\d+) busy$/
        .exec(lines.pop());
    assert.ok(sum, `fsck says:\n${first.stdout}${first.stderr}`);
    assert.equal(sum[3], '0', 'fsck finds a lock that is held');
    for (const line of lines) {
        const id = /\b[0-9a-f]{32}\b/.exec(line)?.[0];
        assert.ok(id && !known.has(id), `fsck says: ${line}`);
    }
    round.count.repaired += lines.length;
    if (lines.length > 0) {
        const second = server.ctl('fsck', '--repair');
        assert.equal(second.status, 0, `fsck --repair says:\n${second.stdout}`);
    }
    server.fsck();
}

/* An upload that nobody learned of is whole in itself, and of our bytes. */
function checkUnlearnt(round, id)
{
    const { server } = round;
    const slot = newestSlot(server.stateFile(id));
    const bytes = fs.readFileSync(server.partFile(id));
    assert.ok(bytes.length >= slot.offset, `${id} lacks bytes`);
    const counts = bytes.subarray(0, slot.offset);
    assert.ok(round.clients.some(({ data }) => data.length >= counts.length
        && counts.equals(data.subarray(0, counts.length))),
        `the bytes of ${id} are nobody's`);
}

async function inspect(round)
{
    const { server } = round;
    for (const { up, data } of round.clients) {
        assert.equal(await sha256File(server.partFile(up.id)), sha256(data),
                     `${up.name}, upload ${up.id}, is not what was sent`);
    }
    repair(round);
    const known = new Set(round.clients.map((client) => client.up.id));
    const states = server.stateFiles().map((f) => path.basename(f, '.state'));
    const extra = states.filter((id) => !known.has(id));
    assert.equal(states.length - extra.length, known.size);
    assert.ok(extra.length <= round.count.unlearnt,
              `${extra.length} uploads too many, ${round.count.unlearnt
              } clients began again`);
    extra.forEach((id) => checkUnlearnt(round, id));
    round.count.left += extra.length;
    const strange = filesBelow(path.join(server.root, 'var')).filter((file) =>
        !/\/([0-9a-f]{32}\.(state|part)|[0-9a-f]\.lock|s?db-[0-9a-f].*)$/
            .test(file));
    assert.deepEqual(strange, [], 'files that belong to nothing');
    /* what a kill may make the next one say */
    server.expectLog(/CU0011:/, { optional: true });
    server.check();
}

/* --- rounds --- */

/**
 * One round.
 * @return what was counted; throws what went wrong, the server's directory
 *         is kept then
 */
export async function killRound(seed, number)
{
    const mpm = number % 5 === 0 ? 'prefork' : 'event';
    const began = Date.now();
    const round = {
        seed, number, mpm, killedAt: 0,
        chance: new Chance(seed, number, 'killer'),
        count: { kills: 0, restarts: 0, bytes: 0, resumes: 0, ghosts: 0,
                 ghostsRefused: 0, refused: 0, unlearnt: 0, left: 0,
                 repaired: 0 },
        late: () => round.failed || (round.killedAt > 0
            && Date.now() > round.killedAt + STUCK_MS)
    };
    const server = await startServer({ mpm });
    round.server = server;
    try {
        round.clients = Array.from({ length: CLIENTS },
                                   (_, i) => new Client(round, i));
        const work = [kill(round), ...round.clients.map((c) => c.run())];
        await Promise.all(work).catch(async (error) => {
            round.failed = true;
            await Promise.allSettled(work);
            throw error;
        });
        await inspect(round);
        round.clients.forEach(({ up }) => { round.count.bytes += up.size; });
    } catch (error) {
        server.keep = true;
        error.message = `SEED=${seed} round ${number}: ${error.message
        } (kept: ${server.root})`;
        throw error;
    } finally {
        round.clients?.forEach((client) => client.end());
        await server.stop();
    }
    return { ...round.count, mpm, ms: Date.now() - began };
}

export function roundLine(number, r)
{
    return `round ${number} ${r.mpm}: ${CLIENTS} files, ${
        Math.round(r.bytes / MIB)} MiB, ${r.kills} kills, ${
        r.restarts} of the whole server, ${r.resumes} resumed, ${
        r.ghosts} ghosts (${r.ghostsRefused} answered), ${
        r.left} never learned, ${r.repaired} repaired, ${
        (r.ms / 1000).toFixed(1)} s`;
}

export class Totals {
    constructor()
    {
        this.rounds = 0;
        this.losses = 0;
        this.sums = {};
    }

    add(result)
    {
        this.rounds++;
        for (const [key, value] of Object.entries(result)) {
            if (typeof value === 'number') {
                this.sums[key] = (this.sums[key] ?? 0) + value;
            }
        }
    }

    toString()
    {
        const s = this.sums;
        return `${this.rounds} rounds, ${s.kills ?? 0} kills (${
            s.restarts ?? 0} of the whole server), ${s.bytes ?? 0} bytes in ${
            this.rounds * CLIENTS} files, ${s.resumes ?? 0} resumed, ${
            s.ghosts ?? 0} ghosts, ${s.left ?? 0} uploads never learned, ${
            s.repaired ?? 0} repaired, ${this.losses} losses`;
    }
}

async function soak(rounds, seed, first)
{
    const totals = new Totals();
    console.log(`SEED=${seed}`);
    process.on('exit', () => console.log(`SEED=${seed}: ${totals}`));
    for (let number = first; number < first + rounds; number++) {
        try {
            const result = await killRound(seed, number);
            totals.add(result);
            console.log(roundLine(number, result));
        } catch (error) {
            totals.losses++;
            console.log(`LOSS in round ${number}: ${error.stack}`);
        }
    }
    process.exitCode = totals.losses > 0 ? 1 : 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
    const [rounds = '100', seed, first = '1'] = process.argv.slice(2);
    await soak(Number(rounds), seed || String(Date.now() % 1000000),
               Number(first));
}
