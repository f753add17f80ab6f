/*
 * Uploads across requests, processes, restarts and damage, for both kinds of
 * catalogue: owners, the newest writer, crashes, shards made again.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { NOT_FOUND, NO_AUTH, Wire, assertChunkOk, assertRefused, chunk,
         chunkRequest, complete, finish, head, md5, offsetError, pattern,
         request, status, uploadAll } from './client.mjs';
import { onServer, sleep, until } from './server.mjs';
import { newestSlot, ruinSlots } from './statefile.mjs';

const PASSWORDS = ['alice', 'bob']
    .map((u) => `${u}:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n`).join('');

/* Files of the catalogue: <type>-<digit>, sdbm's with .dir and .pag. */
function shards(s)
{
    const found = [];
    for (const entry of fs.readdirSync(s.stateDir, { recursive: true })) {
        if (new RegExp(`^${s.dbm}-[0-9a-f](\\.(dir|pag))?$`)
            .test(path.basename(String(entry)))) {
            found.push(path.join(s.stateDir, String(entry)));
        }
    }
    return found;
}

/* What the catalogue has; it is made again where it is damaged. */
function listed(s)
{
    const run = s.ctl('export');
    assert.equal(run.status, 0, run.stderr);
    return run.stdout;
}

/* Begin a chunk and leave it unfinished: all but the last `hold` bytes. */
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

for (const [dbm, mpm] of [['db', 'event'], ['sdbm', 'event'],
                          ['db', 'prefork']]) {
    onServer(`sessions: ${dbm}, ${mpm}`, { dbm, mpm }, (at) => {
        const data = pattern(60000);

        test('a child killed between chunks', async () => {
            const id = await uploadAll(at.s, data, 10000, {
                between: async (offset) => {
                    if (offset === 20000 || offset === 40000) {
                        await at.s.killChild();
                    }
                }
            });
            await finish(at.s, id, data);
        });

        test('every child killed in the middle of a chunk', async () => {
            const id = assertChunkOk(await chunk(at.s, { start: 0,
                total: data.length, data: data.subarray(0, 10000) }), 10000);
            const wire = await beginChunk(at.s, { id, start: 10000,
                total: data.length, data: data.subarray(10000) });
            await until('the writer to be active', () =>
                fs.statSync(at.s.partFile(id)).size >= 10000);
            for (const pid of at.s.children()) {
                await at.s.killChild(pid);
            }
            wire.close();
            assert.equal((await status(at.s, id)).json.offset, 10000);
            assertChunkOk(await chunk(at.s, { id, start: 10000,
                total: data.length, data: data.subarray(10000) }),
                data.length, id);
            await finish(at.s, id, data);
        });

        test('a first chunk whose child is killed is no upload', async () => {
            const wire = await beginChunk(at.s, { start: 0, total: 9000000,
                data: pattern(300000) });
            await sleep(100);
            for (const pid of at.s.children()) {
                await at.s.killChild(pid);
            }
            wire.close();
            assertChunkOk(await chunk(at.s, { data: 'abc' }), 3);
            /* fsck and the pairing of files follow in check() */
        });

        test('graceful restart between chunks and within one', async () => {
            const id = assertChunkOk(await chunk(at.s, { start: 0,
                total: data.length, data: data.subarray(0, 10000) }), 10000);
            await at.s.graceful();
            const wire = await beginChunk(at.s, { id, start: 10000,
                total: data.length, data: data.subarray(10000, 30000) });
            await sleep(50);
            await at.s.graceful();
            await wire.write(wire.rest);
            assertChunkOk(await wire.answer(), 30000, id);
            wire.close();
            assertChunkOk(await chunk(at.s, { id, start: 30000,
                total: data.length, data: data.subarray(30000) }),
                data.length, id);
            await finish(at.s, id, data);
        });

        test('restart and a crash of everything between chunks', async () => {
            const id = await uploadAll(at.s, data, 20000, {
                between: async (offset) => {
                    if (offset === 20000) {
                        await at.s.restart();
                    } else if (offset === 40000) {
                        await at.s.killAll();
                        await at.s.start();
                    }
                }
            });
            await finish(at.s, id, data);
        });

        for (const damage of ['overwritten', 'cut', 'emptied', 'deleted']) {
            test(`shards ${damage} while uploads are open`, async () => {
                const open = [];
                for (let i = 0; i < 20; i++) {
                    open.push(assertChunkOk(await chunk(at.s, { start: 0,
                        total: 20, data: data.subarray(0, 10) }), 10));
                }
                assert.ok(shards(at.s).length > 0, 'there are shards');
                for (const file of shards(at.s)) {
                    const { size } = fs.statSync(file);
                    if (damage === 'overwritten') {
                        fs.writeFileSync(file, Buffer.alloc(size, 0x5a));
                    } else if (damage === 'cut') {
                        fs.truncateSync(file, Math.floor(size / 3));
                    } else if (damage === 'emptied') {
                        fs.truncateSync(file, 0);
                    } else {
                        fs.rmSync(file);
                    }
                }
                at.s.expectLog(/CU000[123]: catalogue/, { optional: true });
                for (const id of open) {
                    assertChunkOk(await chunk(at.s, { id, start: 10, total: 20,
                        data: data.subarray(10, 20) }), 20, id);
                    await finish(at.s, id, data.subarray(0, 20));
                }
                for (let i = 0; i < 20; i++) {
                    open.push(assertChunkOk(await chunk(at.s,
                                                        { data: 'new' }), 3));
                }
                const list = listed(at.s);
                for (const id of open) {
                    assert.ok(list.includes(id), `${id} is listed`);
                }
            });
        }

        test('the tool makes a shard again as the server would', () => {
            for (const file of shards(at.s)) {
                fs.rmSync(file);
            }
            const { uid } = fs.statSync(at.s.stateDir);
            assert.equal(new Set(listed(at.s).match(/\b[0-9a-f]{32}\b/g)).size,
                         at.s.stateFiles().length);
            for (const file of shards(at.s)) {
                assert.equal(fs.statSync(file).uid, uid, file);
            }
        });

        test('the newest request wins over a silent one', async () => {
            const id = assertChunkOk(await chunk(at.s, { start: 0, total: 20,
                data: data.subarray(0, 10) }), 10);
            const silent = await beginChunk(at.s, { id, start: 10, total: 20,
                data: Buffer.from('SILENTLOST') }, 60);
            await sleep(100);
            const began = Date.now();
            assertChunkOk(await chunk(at.s, { id, start: 10, total: 20,
                data: data.subarray(10, 20) }), 20, id);
            assert.ok(Date.now() - began < 2000, 'it did not wait');
            await silent.write(silent.rest);
            const late = await silent.answer();
            assertRefused(late, 400, offsetError(20));
            assert.equal(late.headers.connection, 'close');
            silent.close();
            await finish(at.s, id, data.subarray(0, 20));
        });

        test('a superseded large chunk is stopped and answered', async () => {
            const big = pattern(4 << 20);
            const total = big.length + 10;
            const id = assertChunkOk(await chunk(at.s, { start: 0, total,
                data: big.subarray(0, 10) }), 10);
            const old = await beginChunk(at.s, { id, start: 10, total,
                                                 data: big }, 2 << 20);
            await sleep(100);
            assertChunkOk(await chunk(at.s, { id, start: 10, total,
                data: Buffer.from('0123456789') }), 20, id);
            await old.write(old.rest);
            const late = await old.answer();
            assert.equal(late.status, 400);
            assert.equal(late.text, offsetError(20));
            old.close();
            assert.equal((await status(at.s, id)).json.offset, 20);
        });

        test('completion while a chunk is under way', async () => {
            const id = assertChunkOk(await chunk(at.s, { data: 'abc' }), 3);
            const other = assertChunkOk(await chunk(at.s, { start: 0,
                total: 20, data: data.subarray(0, 10) }), 10);
            const wire = await beginChunk(at.s, { id: other, start: 10,
                total: 20, data: data.subarray(10, 20) });
            await finish(at.s, id, Buffer.from('abc'));
            assertRefused(await complete(at.s, { id: other, md5: md5('x') }),
                400, '{"detail": "Upload is not complete", "offset": 10}');
            await wire.write(wire.rest);
            assertChunkOk(await wire.answer(), 20, other);
            wire.close();
            await finish(at.s, other, data.subarray(0, 20));
        });
    });
}

onServer('owners', {
    files: { '../passwords': PASSWORDS },
    conf: `
<LocationMatch "^/(users|users-done)">
    AuthType Basic
    AuthName uploads
    AuthUserFile "@ROOT@/passwords"
    Require valid-user
</LocationMatch>
<Location "/users">
    SetHandler chunked-upload
</Location>
<Location "/users-done">
    SetHandler chunked-upload-complete
</Location>
<Location "/members">
    SetHandler chunked-upload
    ChunkedUploadAnonymous Off
</Location>
<Location "/members-done">
    SetHandler chunked-upload-complete
    ChunkedUploadAnonymous Off
</Location>`
}, (at) => {
    const mine = { path: '/users', auth: 'alice' };
    const begin = async () => assertChunkOk(await chunk(at.s, { ...mine,
        start: 0, total: 6, data: Buffer.from('abc') }), 3);

    test('others and nobody get what an unknown id gets', async () => {
        const id = await begin();
        const next = { id, start: 3, total: 6, data: Buffer.from('def') };
        for (const who of [{ path: '/users', auth: 'bob' }, { path: '/up' }]) {
            assertRefused(await chunk(at.s, { ...next, ...who }), 404,
                          NOT_FOUND);
            assertRefused(await chunk(at.s, { ...next, ...who,
                idAfter: true }), 404, NOT_FOUND);
            assertRefused(await status(at.s, id, who), 404, NOT_FOUND);
            assertRefused(await complete(at.s, { ...who, id, md5: md5('abc'),
                path: `${who.path}/complete` }), 404, NOT_FOUND);
        }
        assertChunkOk(await chunk(at.s, { ...next, ...mine }), 6, id);
        await finish(at.s, id, Buffer.from('abcdef'),
                     { path: '/users-done', auth: 'alice' });
    });

    test('an anonymous upload is not a user\'s', async () => {
        const id = assertChunkOk(await chunk(at.s, { start: 0, total: 6,
            data: Buffer.from('abc') }), 3);
        assertRefused(await chunk(at.s, { ...mine, id, start: 3, total: 6,
            data: Buffer.from('def') }), 404, NOT_FOUND);
    });

    test('SEC-40 without a password: httpd\'s own 401, no body read',
         async () => {
        const wire = await Wire.open(at.s);
        await wire.write(head('POST', '/users', {
            'Content-Type': 'multipart/form-data; boundary=x',
            'Content-Length': 10 << 20, Expect: '100-continue',
            Connection: 'close' }));
        const answer = await wire.answer({ within: 2000 });
        assert.equal(answer.status, 401);
        assert.deepEqual(answer.interim, []);
        wire.close();
        assert.deepEqual(at.s.tagged(), []);
    });

    test('anonymous off', async () => {
        const path1 = '/members';
        assertRefused(await chunk(at.s, { path: path1, data: 'abc' }), 403,
                      NO_AUTH);
        assertRefused(await chunk(at.s, { path: path1, parts: [] }), 403,
                      NO_AUTH);
        assertRefused(await complete(at.s, { path: '/members-done',
            fields: [] }), 403, NO_AUTH);
        assertRefused(await status(at.s, '0'.repeat(32), { path: path1 }),
                      403, NO_AUTH);
        const options = await request(at.s, { method: 'OPTIONS',
                                              path: path1 });
        assert.equal(options.status, 200);
        assert.equal(at.s.stateFiles().length, 2);
    });
});

onServer('virtual hosts', {
    conf: `
<VirtualHost *>
    ServerName one.test
</VirtualHost>
<VirtualHost *>
    ServerName two.test
</VirtualHost>`
}, (at) => {
    const on = async (host, o) => {
        const r = chunkRequest(o);
        const wire = await Wire.open(at.s);
        await wire.write(Buffer.from(head(r.method, r.path, { ...r.headers,
            Connection: 'close', 'Content-Length': r.body.length })
            .toString('latin1').replace('Host: localhost', `Host: ${host}`),
            'latin1'));
        await wire.write(r.body);
        const answer = await wire.answer();
        wire.close();
        return answer;
    };

    test('an upload of one is unknown to the other', async () => {
        const id = assertChunkOk(await on('one.test', { start: 0, total: 6,
            data: Buffer.from('abc') }), 3);
        const next = { id, start: 3, total: 6, data: Buffer.from('def') };
        assertRefused(await on('two.test', next), 404, NOT_FOUND);
        assertChunkOk(await on('one.test', next), 6, id);
    });
});

onServer('what is on disk', {}, (at) => {
    /* What an admin does with a lost upload. */
    const forget = (id) => {
        fs.rmSync(at.s.partFile(id));
        fs.rmSync(at.s.stateFile(id));
        assert.equal(at.s.ctl('fsck', '--repair').status, 0);
    };

    test('the slot says what the answer said', async () => {
        const id = await uploadAll(at.s, pattern(100), 30);
        assert.equal(newestSlot(at.s.stateFile(id)).offset, 100);
    });

    test('a part shorter than its record is damaged, the others go on',
         async () => {
        const id = assertChunkOk(await chunk(at.s, { start: 0, total: 20,
            data: pattern(10) }), 10);
        const file = at.s.partFile(id);
        fs.truncateSync(file, 4);
        at.s.expectLog(new RegExp(`\\[chunked_upload:error\\].*${id}`));
        const answer = await chunk(at.s, { id, start: 10, total: 20,
                                           data: pattern(10) });
        assert.equal(answer.status, 500, answer.text);
        assert.equal(answer.text, '{"detail": "Upload is damaged"}');
        assertChunkOk(await chunk(at.s, { data: 'abc' }), 3);
        const run = at.s.ctl('fsck');
        assert.notEqual(run.status, 0);
        assert.match(run.stdout + run.stderr, new RegExp(id));
        forget(id);
    });

    test('a state file of junk is damaged, the others go on', async () => {
        const id = assertChunkOk(await chunk(at.s, { start: 0, total: 20,
            data: pattern(10) }), 10);
        ruinSlots(at.s.stateFile(id));
        at.s.expectLog(new RegExp(`\\[chunked_upload:error\\].*${id}`));
        const answer = await chunk(at.s, { id, start: 10, total: 20,
                                           data: pattern(10) });
        assert.equal(answer.status, 500, answer.text);
        assertChunkOk(await chunk(at.s, { data: 'abc' }), 3);
        assert.notEqual(at.s.ctl('fsck').status, 0);
        forget(id);
    });

    test('a link planted in place of a part is not followed', async () => {
        const id = assertChunkOk(await chunk(at.s, { start: 0, total: 20,
            data: pattern(10) }), 10);
        const file = at.s.partFile(id);
        const victim = path.join(at.s.root, 'var/victim');
        fs.writeFileSync(victim, 'untouched!');
        fs.chmodSync(victim, 0o666);
        fs.rmSync(file);
        fs.symlinkSync(victim, file);
        at.s.expectLog(new RegExp(`\\[chunked_upload:error\\].*${id}`));
        const answer = await chunk(at.s, { id, start: 10, total: 20,
                                           data: pattern(10) });
        assert.ok(answer.status >= 500, answer.text);
        assert.equal(fs.readFileSync(victim, 'utf8'), 'untouched!');
        forget(id);
    });
});
