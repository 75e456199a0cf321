/* What stands for the kubelet on a node without a cluster: it is like one where the switch of a runtime looks.
 *
 * It has the kubelet's command line, ends at once where its runtime does not answer or where it is told a flag that no
 * kubelet knows, and says at 127.0.0.1:10248 that it is well, unless there is a file that makes it sick. Each start is
 * noted with the runtime that it was started for.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define DOCKER "/var/run/docker.sock"
#define SICK "/run/kubelet-is-sick"
#define STARTS "/var/log/kubelet-starts"

static const char *value(int count, char **words, const char *flag)
{
	size_t size = strlen(flag);

	for (int i = 1; i < count; i++)
		if (!strncmp(words[i], flag, size) && words[i][size] == '=')
			return words[i] + size + 1;
	return "";
}

static int answers(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int line = socket(AF_UNIX, SOCK_STREAM, 0);
	int failed;

	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	failed = connect(line, (struct sockaddr *)&address, sizeof(address));
	close(line);
	return !failed;
}

static void note(const char *runtime)
{
	int file = open(STARTS, O_WRONLY | O_CREAT | O_APPEND, 0644);

	dprintf(file, "%s\n", runtime);
	close(file);
}

static int serve(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(10248) };
	int one = 1, listening = socket(AF_INET, SOCK_STREAM, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listening, (struct sockaddr *)&address, sizeof(address)) || listen(listening, 8)) {
		perror("127.0.0.1:10248");
		return 1;
	}
	for (;;) {
		char asked[2048];
		int line = accept(listening, 0, 0), sick = !access(SICK, F_OK);

		if (read(line, asked, sizeof(asked)) > 0)
			dprintf(line, "HTTP/1.1 %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
				sick ? "500 Internal Server Error" : "200 OK");
		close(line);
	}
}

int main(int count, char **words)
{
	const char *endpoint = value(count, words, "--container-runtime-endpoint");
	int remote = !strcmp(value(count, words, "--container-runtime"), "remote");
	const char *path = remote && !strncmp(endpoint, "unix://", 7) ? endpoint + 7 : DOCKER;

	for (int i = 1; i < count; i++) {
		if (!strcmp(words[i], "--version")) {
			puts("Kubernetes v1.20.2");
			return 0;
		}
		if (!strcmp(words[i], "--no-such-flag")) {
			fputs("unknown flag: --no-such-flag\n", stderr);
			return 1;
		}
	}
	if (!answers(path)) {
		fprintf(stderr, "failed to run Kubelet: nobody answers at %s\n", path);
		return 1;
	}
	note(remote ? "containerd" : "docker");
	return serve();
}
