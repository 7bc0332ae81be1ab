// Package session is the server behind GitLab's interactive web terminals: it gives each job request an address and a secret,
// and connects whoever comes with them to a shell in the job's build container.
//
// Data moves between a websocket, which GitLab's Workhorse opens for a user's browser, and a [Shell], which somebody else
// opens. It knows neither Docker nor the job API; it runs nothing by itself, and a job without a terminal never meets it.
package session
