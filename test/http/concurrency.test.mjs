/*
 * Many at once: a thousand open uploads, many requests for one upload, and
 * httpd being reloaded meanwhile.  Whatever the order in which the server
 * takes them, every byte that was acknowledged is the one of the request that
 * was acknowledged.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';

import { ALREADY, Wire, assertChunkOk, assertRefused, chunk, chunkRequest,
         complete, finish, head, md5, pattern, sha256, status }
    from './client.mjs';
import { onServer, sleep } from './server.mjs';
import { newestSlot } from './statefile.mjs';

const KIB = 1 << 10;

/** Run job(i) for i < count, `width` of them at a time. */
async function side(count, width, job)
{
    let next = 0;
    await Promise.all(Array.from({ length: width }, async () => {
        while (next < count) {
            await job(next++);
        }
    }));
}

/* A chunk of which the last `hold` bytes are still to come. */
async function beginChunk(s, o, hold = 10)
{
    const r = chunkRequest(o);
    const wire = await Wire.open(s);
    const cut = r.body.length - hold;
    await wire.write(head('POST', r.path, { ...r.headers,
        'Content-Length': r.body.length }));
    await wire.write(r.body.subarray(0, cut));
    wire.rest = r.body.subarray(cut);
    return wire;
}

onServer('a thousand uploads open at once', {}, (at) => {
    test('go on in any order, and each is right', async (t) => {
        const count = 1000;
        const size = 6000;
        const sea = pattern(size + count * 7, 5);
        const data = (i) => sea.subarray(i * 7, i * 7 + size);
        const ids = [];
        await side(count, 40, async (i) => {
            ids[i] = assertChunkOk(await chunk(at.s, { start: 0, total: size,
                data: data(i).subarray(0, 1000) }), 1000);
        });
        assert.equal(new Set(ids).size, count);
        assert.equal(at.s.stateFiles().length, count);
        for (const [from, to] of [[1000, 1001], [1001, 4000], [4000, size]]) {
            await side(count, 40, async (k) => {
                const i = k * 387 % count; /* another order, each once */
                assertChunkOk(await chunk(at.s, { id: ids[i], start: from,
                    total: size, data: data(i).subarray(from, to) }), to,
                    ids[i]);
            });
        }
        await side(count, 40, (i) => finish(at.s, ids[i], data(i)));
        t.diagnostic(`children ${at.s.rssOfChildren().map((c) => c.rss)
            .join(', ')} KiB`);
    });
});

/*
 * Chunks of many clients for one upload, each client with bytes of its own.
 * What was acknowledged is kept in `won`.
 */
class Melee {
    constructor(s, id, size)
    {
        Object.assign(this, { s, id, size, offset: 0, won: [], refused: 0,
                              began: Date.now(), over: false });
    }

    bytes(client, length)
    {
        return Buffer.alloc(length, client + 1);
    }

    /* Where a client believes the upload stands: mostly right. */
    guess(client, turn)
    {
        const { offset } = this;
        switch ((client + turn) % 8) {
        case 0: return Math.max(0, offset - 1000); /* overlapping */
        case 1: return 0;                          /* stale */
        case 2: return offset + 1;                 /* ahead */
        default: return offset;                    /* equal */
        }
    }

    note(answer, start, length, client)
    {
        if (answer.status === 200) {
            assertChunkOk(answer, start + length, this.id);
            assert.ok(this.won.every((w) => w.end <= start
                || w.start >= start + length),
                `two winners at ${start}, the later one client ${client}`);
            this.won.push({ start, end: start + length, client });
        } else {
            assert.equal(answer.status, 400, answer.text);
            assert.equal(typeof answer.json.offset, 'number', answer.text);
            this.refused++;
        }
        this.offset = Math.max(this.offset, answer.json.offset);
    }

    async attack(client)
    {
        for (let turn = 0; this.offset < this.size; turn++) {
            assert.ok(!this.over && Date.now() < this.began + 60000,
                      'somebody gets on');
            const start = Math.min(this.guess(client, turn), this.size - 1);
            const length = Math.min(this.size - start,
                                    (1 + (client * 7 + turn) % 64) * 512);
            const o = { id: this.id, start, total: this.size,
                        data: this.bytes(client, length) };
            if ((client + turn) % 5 === 0) {
                const wire = await beginChunk(this.s, o, 300);
                await sleep((client * 3 + turn) % 20);
                await wire.write(wire.rest);
                this.note(await wire.answer(), start, length, client);
                wire.close();
            } else {
                this.note(await chunk(this.s, o), start, length, client);
            }
        }
    }

    /* The acknowledged chunks lie side by side, none twice, none missing. */
    content()
    {
        const content = Buffer.alloc(this.size);
        let end = 0;
        this.won.sort((a, b) => a.start - b.start);
        for (const { start, end: to, client } of this.won) {
            assert.equal(start, end, 'one winner for each offset');
            content.fill(client + 1, start, to);
            end = to;
        }
        assert.equal(end, this.size);
        return content;
    }
}

onServer('64 clients, one upload', {
    conf: 'ServerLimit 8\nMaxRequestWorkers 160'
}, (at) => {
    const first = (size) => chunk(at.s, { start: 0, total: size,
                                          data: Buffer.alloc(100) });

    test('one winner for each offset, and the file is the winners\'',
         async (t) => {
        const size = 2 << 20;
        const id = assertChunkOk(await first(size), 100);
        const melee = new Melee(at.s, id, size);
        melee.won.push({ start: 0, end: 100, client: -1 });
        melee.offset = 100;
        await Promise.all(Array.from({ length: 64 }, (_, i) =>
            melee.attack(i).catch((error) => {
                melee.over = true;
                throw error;
            })));
        const content = melee.content();
        t.diagnostic(`${melee.won.length} chunks taken, ${melee.refused
            } refused`);
        assert.ok(melee.refused > melee.won.length / 4, 'there was a fight');
        assert.equal((await status(at.s, id)).json.offset, size);
        await finish(at.s, id, content);
    });

    test('slow duplicates that write on after completion change nothing',
         async () => {
        const data = pattern(3 * 512 * KIB, 9);
        const junk = Buffer.alloc(data.length, 0x58);
        const id = assertChunkOk(await chunk(at.s, { start: 0,
            total: data.length, data: data.subarray(0, 1000) }), 1000);
        /* each has sent part of its bytes, some more than a batch */
        const slow = [];
        for (let i = 0; i < 24; i++) {
            slow.push(await beginChunk(at.s, { id, start: 1000,
                total: data.length, data: junk.subarray(1000) },
                (1 + i % 12) * 100 * KIB));
        }
        await sleep(200);
        assertChunkOk(await chunk(at.s, { id, start: 1000,
            total: data.length, data: data.subarray(1000) }), data.length,
            id);
        const early = slow.splice(0, 8);
        await Promise.all(early.map((wire) => wire.write(wire.rest)));
        await finish(at.s, id, data);
        const file = at.s.partFile(id);
        const { mtimeMs } = fs.statSync(file);
        await Promise.all(slow.map((wire) => wire.write(wire.rest)));
        for (const wire of [...early, ...slow]) {
            const answer = await wire.answer().catch(() => null);
            assert.ok(answer === null || answer.status === 400,
                      answer?.text);
            wire.close();
        }
        assert.equal(sha256(fs.readFileSync(file)), sha256(data));
        assert.equal(fs.statSync(file).mtimeMs, mtimeMs, 'not even touched');
        assertRefused(await chunk(at.s, { id, start: 0, total: data.length,
                                          data }), 400, ALREADY);
    });

    test('completion races with the last chunk', async (t) => {
        const data = pattern(50000, 3);
        let early = 0;
        let i = 0;
        /* on a busy machine it takes longer until both have been first */
        const both = () => early > 0 && early < 2 * i;
        for (; i < 60 || (i < 1000 && !both()); i++) {
            const id = assertChunkOk(await chunk(at.s, { start: 0,
                total: data.length, data: data.subarray(0, 10) }), 10);
            const sum = md5(data);
            const [last, done, again] = await Promise.all([
                chunk(at.s, { id, start: 10, total: data.length,
                              data: data.subarray(10) }),
                sleep(i % 16).then(() => complete(at.s, { id, md5: sum })),
                sleep(i % 4).then(() => complete(at.s, { id, md5: sum }))]);
            assertChunkOk(last, data.length, id);
            for (const answer of [done, again]) {
                if (answer.status === 400) {
                    assert.equal(answer.text, '{"detail": '
                        + '"Upload is not complete", "offset": 10}');
                    early++;
                } else {
                    assert.ok([200, 503].includes(answer.status),
                              answer.text);
                }
            }
            await finish(at.s, id, data);
        }
        t.diagnostic(`${early} of ${2 * i} completions came too early`);
        assert.ok(both(), 'there was a race');
    });

    test('completions at once do the work once', async () => {
        const data = pattern(100000, 4);
        for (let i = 0; i < 20; i++) {
            const id = assertChunkOk(await chunk(at.s, { data }),
                                     data.length);
            const file = at.s.stateFile(id);
            const before = newestSlot(file).sequence;
            const many = 2 + i % 7;
            const answers = await Promise.all(Array.from({ length: many },
                () => complete(at.s, { id, md5: md5(data) })));
            const good = answers.filter((a) => a.status === 200);
            assert.ok(good.length > 0, answers.map((a) => a.text).join());
            for (const answer of answers) {
                /* "a newer completion took over, ask again" */
                assert.ok(answer.status === 200 || (answer.status === 503
                    && answer.headers['retry-after'] !== undefined),
                    answer.text);
            }
            /* at most one fence each, and SEALING and DONE once */
            const after = newestSlot(file).sequence;
            assert.ok(after - before <= BigInt(many + 2),
                      `${after - before} writes of ${many} completions`);
            await finish(at.s, id, data);
            assert.equal(newestSlot(file).sequence, after);
        }
    });
});

/* Uploads one after the other, `width` of them at a time, until told. */
async function traffic(s, width, enough)
{
    const counts = { uploads: 0, lost: 0 };
    const sea = pattern(100000, 6);

    /* a reload may cost a connection, never a byte */
    const stubborn = async (ask) => {
        for (let tries = 0; ; tries++) {
            try {
                return await ask();
            } catch (error) {
                counts.lost++;
                assert.ok(tries < 50, `no way through: ${error.message}`);
                await sleep(20);
            }
        }
    };
    const upload = async (n) => {
        const data = sea.subarray(n % 1000, n % 1000 + 60000);
        let id;
        let offset = 0;
        let guard = 0;
        while (offset < data.length) {
            const start = offset;
            const answer = await stubborn(() => chunk(s, { id, start,
                total: data.length, data: data.subarray(start,
                                                        start + 10000) }));
            if (answer.status === 200) {
                ({ offset, upload_id: id } = answer.json);
                assert.equal(offset, start + 10000);
            } else {
                /* it had been taken, and the answer was lost */
                assert.equal(answer.text, '{"detail": "Offsets do not match",'
                                          + ` "offset": ${start + 10000}}`);
                offset = start + 10000;
                assert.ok(++guard < 50);
            }
            await sleep(n % 5);
        }
        const answer = await stubborn(() => complete(s, { id,
                                                          md5: md5(data) }));
        assertRefused(answer, 200, '{}');
        assert.equal(sha256(fs.readFileSync(s.partFile(id))), sha256(data));
        counts.uploads++;
    };
    let n = 0;
    await Promise.all(Array.from({ length: width }, async () => {
        while (!enough(counts)) {
            await upload(n++);
        }
    }));
    return counts;
}

const noCrash = (s) => assert.doesNotMatch(s.logSince(),
    /exit signal|Segmentation|AH00052/);

for (const mpm of ['event', 'prefork']) {
    onServer(`reloads, ${mpm}`, { mpm }, (at) => {
        test('50 graceful restarts during 100 uploads', async (t) => {
            let reloads = 0;
            const reloading = (async () => {
                while (reloads < 50) {
                    await at.s.graceful();
                    await at.s.waitForLeaving();
                    reloads++;
                }
            })();
            const counts = await traffic(at.s, 12, ({ uploads }) =>
                uploads >= 100 && reloads >= 50);
            await reloading;
            noCrash(at.s);
            /* old and new children together: httpd's own worry */
            at.s.expectLog(/AH03490: scoreboard is full/, { optional: true });
            t.diagnostic(`${reloads} reloads, ${counts.uploads} uploads, ${
                counts.lost} connections lost`);
        });
    });

    /* event runs out of children when they end faster than it makes them, a
     * few a second: with or without uploads */
    const conf = mpm === 'prefork' ? 'MaxConnectionsPerChild 10'
        : 'ServerLimit 32\nMaxRequestWorkers 640\nMinSpareThreads 160\n'
          + 'MaxSpareThreads 640\nMaxConnectionsPerChild 50';
    onServer(`children that end by themselves, ${mpm}`, { mpm, conf },
             (at) => {
        test('100 uploads', async (t) => {
            const seen = new Set();
            const watch = setInterval(() => at.s.children().forEach((pid) =>
                seen.add(pid)), 50);
            at.s.expectLog(/AH03490: scoreboard is full/, { optional: true });
            const counts = await traffic(at.s, 12, ({ uploads }) =>
                uploads >= 100).finally(() => clearInterval(watch));
            noCrash(at.s);
            assert.ok(seen.size > 8, `${seen.size} children`);
            t.diagnostic(`${seen.size} children, ${counts.uploads} uploads, ${
                counts.lost} connections lost`);
        });
    });
}
