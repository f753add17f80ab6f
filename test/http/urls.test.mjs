/*
 * The URLs of an endpoint under other people's rules: E, E/complete and
 * E/<id>, whatever would take them away (rewriting front controllers,
 * mod_dir, mod_negotiation, FallbackResource), wherever E lies (Location,
 * folder, Alias, UserDir, virtual host), and through a reverse proxy.
 *
 * In each place a whole conversation is held, and what is not ours is asked
 * of this server and of one without the module: both must say the same.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';

import { NOT_FOUND, NO_AUTH, Wire, assertChunkOk, assertRefused, chunk,
         chunkRequest, finish, head, pattern, request, status }
    from './client.mjs';
import { onServer, startServer } from './server.mjs';

const UNKNOWN = '0123456789abcdef0123456789abcdef';
const SIZE = 5000;
const OURS = 'SetHandler chunked-upload\n';
const BAD_METHOD = '{"detail": "Method not allowed"}';
const ALLOW = { E: 'POST, OPTIONS', complete: 'POST, OPTIONS',
                id: 'GET, HEAD, OPTIONS' };

/* None of our answers sends a client elsewhere, or was made by others. */
function assertOurs(answer)
{
    assert.equal(answer.headers.location, undefined);
    assert.equal(answer.headers['content-location'], undefined);
    assert.equal(answer.headers['x-content-type-options'], 'nosniff',
                 `${answer.status} ${answer.text}`);
}

async function refusesMethods(s, target, allow, o)
{
    const methods = ['GET', 'HEAD', 'POST', 'PATCH', 'PUT', 'DELETE',
                     'PROPFIND'];
    for (const method of methods.filter((m) => !allow.includes(m))) {
        const body = ['GET', 'HEAD', 'DELETE'].includes(method)
            ? undefined : Buffer.from('body');
        const answer = await request(s, { method, path: target, body,
                                          headers: o.headers });
        assert.equal(answer.status, 405, `${method} ${target}`);
        assert.equal(answer.headers.allow, allow, `${method} ${target}`);
        assert.equal(answer.headers['content-type'], 'application/json');
        assert.equal(answer.text, method === 'HEAD' ? '' : BAD_METHOD);
        assertOurs(answer);
    }
    const options = await request(s, { method: 'OPTIONS', path: target,
                                       headers: o.headers });
    assert.equal(options.status, 200, target);
    /* what the dialects know together: tus appends to an upload */
    assert.equal(options.headers.allow, allow.includes('POST') ? allow
        : 'GET, HEAD, PATCH, DELETE, OPTIONS', target);
    assertOurs(options);
}

/** A whole upload, with all that may be asked on the way. */
async function conversation(s, E, o = {})
{
    const below = E.endsWith('/') ? E : `${E}/`;
    const data = pattern(SIZE, E.length);
    const send = async (start, end, id) => {
        const answer = await chunk(s, { path: E, id, start, total: SIZE,
            data: data.subarray(start, end), headers: o.headers });
        assertOurs(answer);
        return assertChunkOk(answer, end, id);
    };
    const ask = async (target, method = 'GET') => {
        const answer = await request(s, { method, path: target,
                                          headers: o.headers });
        assert.equal(answer.status, 200, `${method} ${target}`);
        assertOurs(answer);
        return answer.json;
    };

    const id = await send(0, 2000);
    for (const target of [below + id, `${E}?upload_id=${id}`]) {
        assert.equal((await ask(target)).offset, 2000);
        await ask(target, 'HEAD');
    }
    const unknown = await request(s, { path: below + UNKNOWN,
                                       headers: o.headers });
    assertRefused(unknown, 404, NOT_FOUND);
    await send(2000, SIZE, id);
    await refusesMethods(s, E, ALLOW.E, o);
    await refusesMethods(s, below + id, ALLOW.id, o);
    await refusesMethods(s, `${below}complete`, ALLOW.complete, o);
    await finish(s, id, data, { path: `${below}complete`,
                                headers: o.headers });
    assert.equal((await ask(below + id)).status, 'complete');
}

const withoutPort = (s, text) =>
    text?.replaceAll(`:${s.port}`, ':PORT').replaceAll(`port ${s.port}`, '');

/* What a client can see of an answer that has nothing to do with us. */
async function seen(s, what)
{
    const [target, o] = typeof what === 'string' ? [what, {}] : what;
    const a = await request(s, { path: target, ...o });
    const show = (name) => withoutPort(s, a.headers[name]);
    return { target, status: a.status, text: withoutPort(s, a.text),
             type: show('content-type'), location: show('location'),
             vary: show('vary'), place: show('content-location'),
             allow: show('allow')?.split(/, */).sort().join() };
}

/**
 * A group of tests on one server.
 * @param o.E       URLs of one or more endpoints
 * @param o.others  [what, status, part of the text]: what is a path or a path
 *                  with options of request()
 * @param o.headers sent with every request of a conversation
 * @param o.cgi     names below htdocs to be made executable
 */
function place(title, o, more = () => {})
{
    const executable = (s) => (o.cgi ?? []).forEach((name) =>
        fs.chmodSync(path.join(s.docroot, name), 0o755));
    const options = { endpoints: '', ...o };

    onServer(title, options, (at) => {
        before(() => executable(at.s));

        for (const E of o.E) {
            test(`an upload at ${E}`, () => conversation(at.s, E, o));
        }

        test('what is not ours is as without the module', async () => {
            const bare = await startServer({ ...options, module: false });
            try {
                executable(bare);
                for (const [what, code, text] of o.others) {
                    const ours = await seen(at.s, what);
                    assert.deepEqual(ours, await seen(bare, what));
                    assert.equal(ours.status, code, ours.target);
                    assert.ok(ours.text.includes(text ?? ''), ours.text);
                }
            } finally {
                await bare.stop();
            }
        });
        more(at);
    });
}

/* Directives of ours, for the server without the module too. */
const ifOurs = (text) =>
    `<IfModule chunked_upload_module>\n${text}\n</IfModule>\n`;
const location = (where, more = '') =>
    ifOurs(`<Location "${where}">\n${OURS}${more}\n</Location>`);

const PAGES = { 'index.html': 'the index', 'page.html': 'a page' };
const pages = (folder) => Object.fromEntries(Object.entries(PAGES)
    .map(([name, text]) => [`${folder}/${name}`, `${text} of ${folder}`]));

place('a Location', {
    E: ['/up', '/up/', '/real', '/deep/er'],
    conf: location('/up') + location('/real') + location('/deep/er'),
    files: { ...PAGES, ...pages('real'), ...pages('beside') },
    others: [['/', 200, 'the index'], ['/page.html', 200, 'a page'],
             ['/upper', 404], ['/beside', 301], ['/deep/', 404],
             ['/beside/', 200, 'index of beside'],
             [['/page.html', { method: 'PATCH' }], 405]]
});

place('a folder with .htaccess', {
    E: ['/site/up', '/site/up/', '/site/up/inner/', '/site/up/not/there'],
    /* what a client must read is not replaced by a page */
    conf: ['400', '404', '405'].map((code) =>
        `ErrorDocument ${code} "a page for ${code}"`).join('\n'),
    files: { ...pages('site'), 'site/up/.htaccess': ifOurs(OURS),
             ...pages('site/up'), 'site/up/inner/x.txt': 'x' },
    others: [['/site', 301], ['/site/', 200, 'index of site'],
             ['/site/page.html', 200, 'a page'],
             ['/site/none', 404, 'a page for 404'],
             [['/site/', { method: 'DELETE' }], 405]]
}, (at) => {
    test('the folder\'s own files are covered by the endpoint', async () => {
        assertRefused(await request(at.s, { path: '/site/up/page.html' }),
                      405, BAD_METHOD);
    });
});

for (const slash of ['On', 'Off']) {
    place(`DirectorySlash ${slash}, DirectoryIndex`, {
        E: ['/d/up', '/d/up/', '/d/loc', '/d/loc/'],
        modules: ['autoindex'],
        conf: location('/d/loc')
            + `<Directory "@ROOT@/htdocs">\nDirectorySlash ${slash}\n`
            + 'DirectoryIndex index.html other.html\nOptions +Indexes\n'
            + '</Directory>',
        files: { ...pages('d'), ...pages('d/up'), ...pages('d/loc'),
                 'd/up/.htaccess': ifOurs(OURS), ...pages('d/plain'),
                 'd/second/other.html': 'second choice',
                 'd/list/entry.txt': 'entry' },
        others: [['/d/', 200, 'index of d'],
                 ['/d/plain', slash === 'On' ? 301 : 200],
                 ['/d/plain/', 200, 'index of d/plain'],
                 ['/d/second/', 200, 'second choice'],
                 ['/d/list/', 200, 'entry.txt'],
                 ['/d/plain?upload_id=' + UNKNOWN,
                  slash === 'On' ? 301 : 200],
                 [['/d/plain', { method: 'POST', body: Buffer.from('x') }],
                  slash === 'On' ? 301 : 404]]
    });
}

place('DirectoryIndexRedirect and DirectoryCheckHandler', {
    E: ['/d/up', '/d/up/'],
    conf: '<Directory "@ROOT@/htdocs">\nDirectoryIndexRedirect On\n'
        + 'DirectoryCheckHandler On\n</Directory>',
    files: { ...pages('d'), ...pages('d/up'),
             'd/up/.htaccess': ifOurs(OURS) },
    others: [['/d/', 302], ['/d/index.html', 200, 'index of d']]
});

/* A front controller that is a program, as index.php would be. */
const FRONT = '#!/bin/sh\ncat > /dev/null\n'
    + 'printf "Content-Type: text/plain\\r\\n\\r\\n"\n'
    + 'printf "front: %s %s" "$REQUEST_METHOD" "$REQUEST_URI"\n';
const CGI = {
    modules: ['cgid'],
    conf: 'ScriptSock "@ROOT@/run/cgid.sock"\n'
        + '<Directory "@ROOT@/htdocs">\nOptions +ExecCGI\n'
        + 'AddHandler cgi-script .php\nDirectoryIndex index.php index.html\n'
        + '</Directory>\n'
};

const WORDPRESS = `RewriteEngine On
RewriteRule .* - [E=HTTP_AUTHORIZATION:%{HTTP:Authorization}]
RewriteBase /wp/
RewriteRule ^index\\.php$ - [L]
RewriteCond %{REQUEST_FILENAME} !-f
RewriteCond %{REQUEST_FILENAME} !-d
RewriteRule . /wp/index.php [L]
`;

place('below WordPress', {
    ...CGI,
    E: ['/wp/up', '/wp/up/', '/wp/wp-content/uploads/in/', '/wp/api/up',
        '/wp/stern'],
    conf: CGI.conf + location('/wp/api/up'),
    cgi: ['wp/index.php'],
    files: { 'wp/.htaccess': WORDPRESS, 'wp/index.php': FRONT,
             'wp/style.css': 'css', 'wp/up/.htaccess': ifOurs(OURS),
             'wp/wp-content/uploads/in/.htaccess': ifOurs(OURS),
             'wp/wp-content/uploads/photo.txt': 'photo',
             'wp/stern/.htaccess': ifOurs(OURS
                 + 'RewriteEngine On\nRewriteOptions Inherit\n'
                 + 'RewriteRule ^ /wp/index.php [L]') },
    others: [['/wp/', 200, 'front: GET /wp/'],
             ['/wp/2026/11/hello/', 200, 'front: GET /wp/2026/11/hello/'],
             ['/wp/api/upper', 200, 'front: GET /wp/api/upper'],
             ['/wp/style.css', 200, 'css'],
             ['/wp/wp-content/uploads/photo.txt', 200, 'photo'],
             [['/wp/wp-json/x', { method: 'PATCH', body: Buffer.from('{}') }],
              200, 'front: PATCH /wp/wp-json/x'],
             [[`/wp/${UNKNOWN}`, { method: 'POST', body: Buffer.from('x') }],
              200, `front: POST /wp/${UNKNOWN}`],
             ['/wp/complete', 200, 'front: GET /wp/complete']]
});

const LARAVEL = `<IfModule mod_negotiation.c>
    Options -MultiViews -Indexes
</IfModule>
RewriteEngine On
RewriteCond %{HTTP:Authorization} .
RewriteRule .* - [E=HTTP_AUTHORIZATION:%{HTTP:Authorization}]
RewriteCond %{REQUEST_FILENAME} !-d
RewriteCond %{REQUEST_URI} (.+)/$
RewriteRule ^ %1 [L,R=301]
RewriteCond %{REQUEST_FILENAME} !-d
RewriteCond %{REQUEST_FILENAME} !-f
RewriteRule ^ index.php [L]
`;

place('below Laravel, at the root of the site', {
    ...CGI,
    E: ['/up', '/up/', '/api/v1/up', '/api/v1/up/'],
    conf: CGI.conf + location('/api/v1/up'),
    cgi: ['index.php'],
    files: { '.htaccess': LARAVEL, 'index.php': FRONT,
             'build/app.js': 'script', 'up/.htaccess': ifOurs(OURS) },
    others: [['/', 200, 'front: GET /'],
             ['/users/7', 200, 'front: GET /users/7'],
             ['/users/7/', 301], ['/api/v1/upx', 200, 'front: GET'],
             ['/build/app.js', 200, 'script'],
             [['/users', { method: 'DELETE' }], 200, 'front: DELETE /users']]
});

place('FallbackResource', {
    E: ['/f/up', '/f/up/', '/f/loc'],
    conf: location('/f/loc'),
    files: { 'f/.htaccess': 'FallbackResource /f/index.html\n',
             ...pages('f'), 'f/up/.htaccess': ifOurs(OURS) },
    others: [['/f/', 200, 'index of f'], ['/f/no/such', 200, 'index of f'],
             ['/f/page.html', 200, 'a page'],
             [`/f/${UNKNOWN}`, 200, 'index of f']]
});

place('MultiViews', {
    E: ['/m/up', '/m/up/', '/m/upload', '/m/upload/'],
    modules: ['negotiation'],
    conf: location('/m/upload')
        + '<Directory "@ROOT@/htdocs">\nOptions +MultiViews\n'
        + 'AddLanguage en .en\nAddLanguage de .de\n</Directory>',
    files: { ...pages('m'), 'm/upload.html': 'a page named upload',
             'm/complete.html': 'a page named complete',
             'm/up.html': 'a page named up',
             'm/up/.htaccess': ifOurs(OURS),
             'm/up/complete.html': 'complete', 'm/up/upload.html': 'upload',
             [`m/up/${UNKNOWN}.html`]: 'named as an upload',
             'm/text.html.en': 'english', 'm/text.html.de': 'deutsch' },
    others: [['/m/page', 200, 'a page'],
             ['/m/complete', 200, 'a page named complete'],
             ['/m/upload.html', 200, 'a page named upload'],
             [['/m/text', { headers: { 'Accept-Language': 'de' } }], 200,
              'deutsch'],
             [['/m/text', { headers: { 'Accept-Language': 'en' } }], 200,
              'english'],
             ['/m/', 200, 'index of m'], ['/m/none', 404]]
});

place('CheckSpelling', {
    E: ['/s/up', '/s/up/'],
    modules: ['speling'],
    conf: '<Directory "@ROOT@/htdocs">\nCheckSpelling On\n</Directory>',
    files: { ...pages('s'), 's/up/.htaccess': ifOurs(OURS),
             's/up/complet': 'nearly', [`s/up/${UNKNOWN}x`]: 'nearly' },
    others: [['/s/pgae.html', 301], ['/s/page.html', 200, 'a page']]
});

/* Other ways to name a handler than SetHandler for a folder. */
place('AddHandler, Files, If and the H flag of a RewriteRule', {
    E: ['/h/in.inbox', '/h/box', '/h/hook', '/h/hook/', '/h/if/'],
    modules: ['negotiation'],
    conf: '<Directory "@ROOT@/htdocs">\nOptions +MultiViews\n</Directory>',
    files: { ...pages('h'), 'h/in.inbox': 'a file', 'h/box': 'a file',
             'h/if/complete.html': 'a page named complete',
             'h/.htaccess': ifOurs('AddHandler chunked-upload .inbox\n'
                 + `<Files "box">\n${OURS}</Files>\n`
                 + `<If "%{REQUEST_URI} =~ m#^/h/if/#">\n${OURS}</If>\n`
                 + 'RewriteEngine On\n'
                 + 'RewriteRule ^hook(/|$) - [H=chunked-upload]') },
    others: [['/h/', 200, 'index of h'], ['/h/page', 200, 'a page'],
             ['/h/none', 404]]
});

place('an Alias', {
    E: ['/aliased/up', '/aliased/up/', '/exact', '/exact/', '/by7/up/'],
    conf: 'Alias "/aliased" "@ROOT@/htdocs/elsewhere"\n'
        + 'Alias "/exact" "@ROOT@/htdocs/elsewhere/up"\n'
        + 'AliasMatch "^/by([0-9])/(.*)" "@ROOT@/htdocs/elsewhere/$2"',
    files: { ...pages('elsewhere'), 'elsewhere/up/.htaccess': ifOurs(OURS) },
    others: [['/aliased/', 200, 'index of elsewhere'],
             ['/aliased/page.html', 200, 'a page'], ['/aliased', 301],
             ['/by7/page.html', 200, 'a page']]
});

place('a UserDir', {
    E: ['/~alice/up', '/~alice/up/'],
    modules: ['userdir'],
    conf: 'UserDir "@ROOT@/htdocs/home/*/public_html"\nUserDir enabled',
    files: { ...pages('home/alice/public_html'),
             ...pages('home/bob/public_html'),
             'home/alice/public_html/up/.htaccess': ifOurs(OURS) },
    others: [['/~alice/', 200, 'index of home/alice'], ['/~alice', 301],
             ['/~bob/page.html', 200, 'of home/bob'], ['/~bob/up/', 404]]
});

const HOSTS = `<VirtualHost *>
    ServerName plain.test
    DocumentRoot "@ROOT@/htdocs/plain"
</VirtualHost>
<VirtualHost *>
    ServerName mine.test
    ServerAlias www.mine.test
    DocumentRoot "@ROOT@/htdocs/mine"
    ${location('/loc')}
</VirtualHost>`;
const on = (Host, target) => [target, { headers: { Host } }];

for (const Host of ['mine.test', 'www.mine.test:8080']) {
    place(`a name-based virtual host, as ${Host}`, {
        E: ['/up', '/up/', '/loc', '/loc/'],
        headers: { Host }, conf: HOSTS,
        files: { ...pages('plain'), ...pages('mine'),
                 'mine/up/.htaccess': ifOurs(OURS) },
        others: [[on('plain.test', '/'), 200, 'index of plain'],
                 [on('plain.test', '/up/'), 404],
                 [on('plain.test', '/loc'), 404],
                 [on('mine.test', '/'), 200, 'index of mine'],
                 [on('mine.test', '/page.html'), 200, 'of mine']]
    });
}

/*
 * A second httpd in front.  `at.s` is the server with the uploads; requests go
 * to the port of the one in front.
 */
describe('behind a reverse proxy', { timeout: 300000 }, () => {
    const at = {};
    const front = () => Object.assign(Object.create(at.s),
                                      { port: at.front.port });
    const check = () => { at.s.check(); at.front.checkLog(); };

    before(async () => {
        at.s = await startServer({ endpoints: location('/up')
            + location('/members', 'ChunkedUploadAnonymous Off')
            + location('/small', 'ChunkedUploadMaxBytes 1000'),
            files: { 'site/up/.htaccess': OURS, ...pages('site') } });
        const to = (name) => `"http://127.0.0.1:${at.s.port}${name}"`;
        at.front = await startServer({ module: false,
            modules: ['proxy', 'proxy_http'],
            conf: `ProxyPass "/api/" ${to('/')}\n`
                + `ProxyPassReverse "/api/" ${to('/')}\n`
                + `ProxyPass "/fresh/" ${to('/')} disablereuse=On\n`
                + '<Location "/stream/">\n'
                + `ProxyPass ${to('/')}\nSetEnv proxy-sendchunked 1\n`
                + '</Location>',
            files: PAGES });
    });
    after(async () => {
        await at.front?.stop();
        await at.s?.stop();
    });

    for (const E of ['/api/up', '/api/up/', '/api/site/up', '/fresh/up',
                     '/stream/up', '/stream/site/up/']) {
        test(`an upload at ${E}`, async () => {
            await conversation(front(), E);
            check();
        });
    }

    test('pages of both servers', async () => {
        assert.equal((await request(at.front, { path: '/' })).text,
                     'the index');
        assert.equal((await request(at.front, { path: '/api/site/' })).text,
                     'the index of site');
        assert.equal((await request(at.front, { path: '/api/site' }))
            .headers.location, 'http://localhost/api/site/');
        check();
    });

    for (const E of ['/api/up', '/stream/up']) {
        test(`a body in chunked coding at ${E}`, async () => {
            const data = pattern(300000);
            const r = chunkRequest({ data, path: E });
            const wire = await Wire.open(at.front);
            await wire.write(head('POST', E, { ...r.headers,
                'Transfer-Encoding': 'chunked', Connection: 'close' }));
            for (let i = 0; i < r.body.length; i += 7777) {
                const piece = r.body.subarray(i, i + 7777);
                await wire.write(Buffer.concat([
                    Buffer.from(`${piece.length.toString(16)}\r\n`), piece,
                    Buffer.from('\r\n')]));
            }
            await wire.write(Buffer.from('0\r\n\r\n'));
            const id = assertChunkOk(await wire.answer(), data.length);
            wire.close();
            await finish(front(), id, data, { path: `${E}/complete` });
            check();
        });
    }

    /* The refusal comes while the one in front still sends: its answer must
     * be ours, not a 502 for a connection that was cut. */
    for (const prefix of ['/api', '/fresh', '/stream']) {
        test(`early refusals reach the client at ${prefix}`, async () => {
            const data = pattern(8 << 20);
            for (let i = 0; i < 3; i++) {
                assertRefused(await chunk(at.front, { data, id: UNKNOWN,
                    path: `${prefix}/up` }), 404, NOT_FOUND);
                assertRefused(await chunk(at.front, { data,
                    path: `${prefix}/members` }), 403, NO_AUTH);
                assertRefused(await chunk(at.front, { data,
                    path: `${prefix}/small`, start: 0, total: data.length }),
                    400, '{"detail": "Size of file exceeds the limit '
                    + '(1000 bytes)"}');
            }
            check();
        });
    }

    test('a client that is lost in front is lost behind', async () => {
        const r = chunkRequest({ data: pattern(3 << 20), path: '/api/up',
                                 start: 0, total: 4 << 20 });
        const files = at.s.stateFiles().length;
        const wire = await Wire.open(at.front);
        await wire.write(head('POST', '/api/up', { ...r.headers,
            'Content-Length': r.body.length }));
        await wire.write(r.body.subarray(0, 2 << 20));
        wire.reset();
        assertChunkOk(await chunk(at.front, { path: '/api/up',
            data: Buffer.from('next') }), 4);
        at.front.expectLog(/AH02608|AH01097|AH01095/);
        for (let i = 0; i < 100 && at.s.stateFiles().length > files + 1; i++) {
            await new Promise((go) => setTimeout(go, 50));
        }
        assert.equal(at.s.stateFiles().length, files + 1);
        check();
    });
});
